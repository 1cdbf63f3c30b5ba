package api

import (
	"encoding/base64"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) meOperations() []operation {
	done := map[int]any{http.StatusNoContent: nil}
	return []operation{{
		method: http.MethodPost, path: "/me/password", id: "changeMyPassword", tag: "me", summary: "Change your own password, which ends your other sessions",
		permission: auth.Self, request: adminapi.PasswordRequest{}, replies: done, handle: s.setPassword,
	}, {
		method: http.MethodPost, path: "/me/totp", id: "createMyTOTP", tag: "me", summary: "Create a second factor, which is in effect once you confirm it",
		permission: auth.Self, stepUp: true, replies: map[int]any{http.StatusCreated: adminapi.TOTPEnrollment{}}, handle: s.startTOTP,
	}, {
		method: http.MethodPost, path: "/me/totp/confirm", id: "confirmMyTOTP", tag: "me", summary: "Confirm the second factor with its first code",
		permission: auth.Self, stepUp: true, request: adminapi.TOTPConfirmRequest{}, replies: map[int]any{http.StatusOK: adminapi.RecoveryCodes{}},
		handle: s.confirmTOTP,
	}, {
		method: http.MethodDelete, path: "/me/totp", id: "deleteMyTOTP", tag: "me", summary: "Turn off the second factor",
		permission: auth.Self, stepUp: true, replies: done, handle: s.stopTOTP,
	}, {
		method: http.MethodGet, path: "/me/sessions", id: "listMySessions", tag: "me", summary: "List your own sessions, newest first",
		permission: auth.Self, query: pageParams(), replies: listReplies(adminapi.SessionList{}), handle: s.mySessions,
	}, {
		method: http.MethodDelete, path: "/me/sessions", id: "endMySessions", tag: "me", summary: "Sign out everywhere: all browsers, this one too, and all command lines",
		permission: auth.Self, replies: done, handle: s.endMySessions,
	}, {
		method: http.MethodDelete, path: "/me/sessions/:id", id: "endMySession", tag: "me", summary: "End one of your own sessions",
		permission: auth.Self, replies: done, problems: []string{adminapi.TypeNotFound}, handle: s.endMySession,
	}}
}

func (s *Server) setPassword(c *gin.Context) error {
	var in adminapi.PasswordRequest
	if err := bind(c, &in); err != nil {
		return err
	}
	a, err := active(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Identity.Account.SetPassword(c.Request.Context(), a, in.Current, in.Password, s.from(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) startTOTP(c *gin.Context) error {
	a, err := active(c)
	if err != nil {
		return err
	}
	e, err := s.cfg.Identity.Account.StartTOTP(c.Request.Context(), a)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, adminapi.TOTPEnrollment{
		Secret: e.Secret, URI: e.URI, PNG: "data:image/png;base64," + base64.StdEncoding.EncodeToString(e.PNG),
	})
	return nil
}

func (s *Server) confirmTOTP(c *gin.Context) error {
	var in adminapi.TOTPConfirmRequest
	if err := bind(c, &in); err != nil {
		return err
	}
	a, err := active(c)
	if err != nil {
		return err
	}
	codes, err := s.cfg.Identity.Account.ConfirmTOTP(c.Request.Context(), a, in.Code, s.from(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, adminapi.RecoveryCodes{RecoveryCodes: codes})
	return nil
}

func (s *Server) stopTOTP(c *gin.Context) error {
	a, err := active(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Identity.Account.StopTOTP(c.Request.Context(), a, s.from(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) mySessions(c *gin.Context) error {
	a, err := active(c)
	if err != nil {
		return err
	}
	return s.listSessions(c, "sessions", auth.SessionQuery{PersonID: a.Person.ID}, a.Session.ID)
}

func (s *Server) endMySessions(c *gin.Context) error {
	a, err := active(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Identity.Sessions.EndAll(c.Request.Context(), a, by(c)); err != nil {
		return err
	}
	s.setCookie(c, cookie{name: sessionCookie})
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) endMySession(c *gin.Context) error {
	a, err := active(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Identity.Sessions.Revoke(c.Request.Context(), a.Person.ID, c.Param("id"), by(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
