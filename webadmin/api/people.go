package api

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) peopleOperations() []operation {
	invited := map[int]any{http.StatusCreated: adminapi.InvitedPerson{}}
	problems := []string{adminapi.TypeNotFound, adminapi.TypeLastOwner, adminapi.TypePerson, adminapi.TypeDeclared}
	return []operation{{
		method: http.MethodGet, path: "/people", id: "listPeople", tag: "people", summary: "List the people who may sign in",
		permission: auth.PeopleManage, query: pageParams(), replies: listReplies(adminapi.PersonList{}), handle: s.listPeople,
	}, {
		method: http.MethodPost, path: "/people", id: "createPerson", tag: "people", summary: "Invite somebody",
		description: "Only this reply contains the setup link, which works once, within 24 h.",
		permission:  auth.PeopleManage, stepUp: true, request: adminapi.PersonRequest{}, replies: invited,
		problems: []string{adminapi.TypePerson}, handle: s.createPerson,
	}, {
		method: http.MethodGet, path: "/people/:id", id: "getPerson", tag: "people", summary: "Show one person",
		permission: auth.PeopleManage, replies: map[int]any{http.StatusOK: adminapi.Person{}}, problems: []string{adminapi.TypeNotFound}, handle: s.getPerson,
	}, {
		method: http.MethodPatch, path: "/people/:id", id: "updatePerson", tag: "people", summary: "Change the name or role of a person, disable or enable them",
		description: "A changed role or disabling ends that person's sessions at once, and revokes those API keys of the person that have more permissions than the person has now (keys: keep leaves them). You cannot change your own role, and the last owner with a password cannot be changed.",
		permission:  auth.PeopleManage, stepUp: true, request: adminapi.PersonChange{},
		replies: map[int]any{http.StatusOK: adminapi.Person{}}, problems: problems, handle: s.changePerson,
	}, {
		method: http.MethodDelete, path: "/people/:id", id: "deletePerson", tag: "people", summary: "Remove a person and end their sessions",
		description: "Revokes the API keys that the person created, and the keys that those created; keys=keep leaves them.",
		query:       []param{{name: "keys", description: "what happens to the API keys that the person created; revoke when absent", enum: []string{"revoke", "keep"}}},
		permission:  auth.PeopleManage, stepUp: true, replies: map[int]any{http.StatusNoContent: nil}, problems: problems, handle: s.deletePerson,
	}, {
		method: http.MethodPost, path: "/people/:id/reset", id: "resetPerson", tag: "people", summary: "Reset a person's password and second factor, end their sessions, and return a new setup link",
		description: "confirm must be \"reset\".",
		permission:  auth.PeopleManage, stepUp: true, request: adminapi.ResetRequest{}, replies: invited, problems: problems, handle: s.resetPerson,
	}, {
		method: http.MethodGet, path: "/sessions", id: "listSessions", tag: "people", summary: "List everybody's sessions, newest first",
		permission: auth.PeopleManage, query: pageParams(), replies: listReplies(adminapi.SessionList{}), handle: s.allSessions,
	}, {
		method: http.MethodGet, path: "/sessions/:id", id: "getSessionByID", tag: "people", summary: "Show one session",
		permission: auth.PeopleManage, replies: map[int]any{http.StatusOK: adminapi.Session{}}, problems: []string{adminapi.TypeNotFound}, handle: s.getSession,
	}, {
		method: http.MethodDelete, path: "/sessions/:id", id: "endSession", tag: "people", summary: "End anybody's session",
		permission: auth.PeopleManage, replies: map[int]any{http.StatusNoContent: nil}, problems: []string{adminapi.TypeNotFound}, handle: s.endSession,
	}}
}

func (s *Server) listPeople(c *gin.Context) error {
	items, next, total, err := byCreation(c, "people", s.cfg.Identity.People.Page, func(p auth.Person) auth.Place { return auth.Place{At: p.CreatedAt, ID: p.ID} })
	if err != nil {
		return err
	}
	out := adminapi.PersonList{People: make([]adminapi.Person, 0, len(items)), NextPageToken: next, Total: total}
	for _, p := range items {
		out.People = append(out.People, s.renderPerson(p))
	}
	return list(c, out)
}

func (s *Server) getPerson(c *gin.Context) error {
	p, err := s.cfg.Identity.People.Get(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, s.renderPerson(p))
	return nil
}

func (s *Server) createPerson(c *gin.Context) error {
	var in adminapi.PersonRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	n := auth.NewPerson{Email: in.Email, Name: in.Name, Role: auth.Role(in.Role)}
	if err := b.end(n.Validate()); err != nil {
		return err
	}
	p, code, err := s.cfg.Identity.People.Create(c.Request.Context(), n, by(c))
	if err != nil {
		return err
	}
	s.renderInvited(c, p, code)
	return nil
}

func (s *Server) changePerson(c *gin.Context) error {
	var in adminapi.PersonChange
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	var change auth.Change
	if b.given["name"] {
		change.Name = &in.Name
	}
	if role := auth.Role(in.Role); b.given["role"] {
		change.Role = &role
	}
	if b.given["disabled"] {
		change.Disabled = &in.Disabled
	}
	if change.Keys, err = parseKeysOf(in.Keys); err != nil {
		b.wrong("keys", err.Error())
	}
	if err := b.end(change.Validate()); err != nil {
		return err
	}
	p, err := s.cfg.Identity.People.Update(c.Request.Context(), c.Param("id"), change, by(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, s.renderPerson(p))
	return nil
}

func (s *Server) deletePerson(c *gin.Context) error {
	keys, err := parseKeysOf(queryOf(c).Get("keys"))
	if err != nil {
		return inQuery("keys", err.Error())
	}
	if err := s.cfg.Identity.People.Delete(c.Request.Context(), c.Param("id"), keys, by(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// parseKeysOf reads what is to become of somebody's API keys; absent is revoke.
func parseKeysOf(text string) (auth.KeysOf, error) {
	switch text {
	case "", "revoke":
		return auth.RevokeKeys, nil
	case "keep":
		return auth.KeepKeys, nil
	}
	return "", errors.New(`must be "revoke" or "keep"`)
}

func (s *Server) resetPerson(c *gin.Context) error {
	var in adminapi.ResetRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	b.confirm(in.Confirm, adminapi.ConfirmReset, "password, second factor and sessions end now, and whoever has the new link can sign in as this person")
	if err := b.end(nil); err != nil {
		return err
	}
	p, code, err := s.cfg.Identity.People.Reset(c.Request.Context(), c.Param("id"), by(c))
	if err != nil {
		return err
	}
	s.renderInvited(c, p, code)
	return nil
}

func (s *Server) allSessions(c *gin.Context) error {
	return s.listSessions(c, "sessions", auth.SessionQuery{}, callerOf(c).SessionID)
}

func (s *Server) getSession(c *gin.Context) error {
	it, err := s.cfg.Identity.Sessions.Get(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	p, err := s.cfg.Identity.People.Get(c.Request.Context(), it.PersonID)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, renderSession(it, p.Email, callerOf(c).SessionID))
	return nil
}

func (s *Server) endSession(c *gin.Context) error {
	if err := s.cfg.Identity.Sessions.Revoke(c.Request.Context(), "", c.Param("id"), by(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) renderInvited(c *gin.Context, p auth.Person, code string) {
	setResourceID(c, p.ID)
	c.JSON(http.StatusCreated, adminapi.InvitedPerson{
		Person: s.renderPerson(p), SetupURL: s.SetupURL(code), LinkWarning: s.linkWarning(), ExpiresAt: s.cfg.Now().Add(auth.LinkLife).UTC(),
	})
}

func (s *Server) renderPerson(p auth.Person) adminapi.Person {
	return adminapi.Person{
		ID: p.ID, Email: p.Email, Name: p.Name, Role: string(p.Role), OIDC: !p.Local(), TOTP: p.HasTOTP(),
		Invited: p.Local() && p.PasswordHash == "", Disabled: !p.DisabledAt.IsZero(), Declared: s.cfg.Identity.People.Declared(p), CreatedAt: p.CreatedAt, LastSignInAt: p.LastSignInAt,
	}
}
