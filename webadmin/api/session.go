package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) sessionOperations() []operation {
	current := map[int]any{http.StatusOK: adminapi.CurrentSession{}}
	return []operation{{
		method: http.MethodGet, path: "/setup", id: "getSetup", tag: "sign-in", summary: "Show the ways to sign in",
		public: true, replies: map[int]any{http.StatusOK: adminapi.SetupState{}}, handle: s.setupState,
	}, {
		method: http.MethodPost, path: "/setup", id: "useSetupLink", tag: "sign-in", summary: "Use a setup link: set a password and sign in",
		description: "The code is that of the link that the controller printed at its first start, or of an invitation or a reset. It works once, within 24 h.",
		public:      true, request: adminapi.SetupRequest{}, replies: current,
		problems: []string{adminapi.TypeSetupLink, adminapi.TypePerson, adminapi.TypeTooManyFailures}, handle: s.setup,
	}, {
		method: http.MethodPost, path: "/session", id: "signIn", tag: "sign-in", summary: "Sign in with a password",
		description: "If the reply is 401 with the type totp-required, send the same request again with the code. The session is in a cookie.",
		public:      true, request: adminapi.SignInRequest{}, replies: current, problems: []string{adminapi.TypeUnauthenticated, adminapi.TypeTOTPRequired, adminapi.TypeTooManyFailures}, handle: s.signIn,
	}, {
		method: http.MethodGet, path: "/session", id: "getSession", tag: "sign-in", summary: "Show who is signed in",
		permission: auth.Self, replies: current, handle: s.showSession,
	}, {
		method: http.MethodDelete, path: "/session", id: "signOut", tag: "sign-in", summary: "Sign out",
		permission: auth.Self, replies: map[int]any{http.StatusNoContent: nil}, handle: s.signOut,
	}, {
		method: http.MethodPost, path: "/session/step-up", id: "stepUp", tag: "sign-in", summary: "Re-authenticate for an operation that needs a recent sign-in",
		description: "It is valid for five minutes and changes the session's cookie and CSRF token. A person who signed in with the identity provider uses /session/oidc/start?step_up=true instead.",
		permission:  auth.Self, request: adminapi.StepUpRequest{}, replies: current, handle: s.stepUp,
	}}
}

// active is the session of a request whose operation needs Self.
func active(c *gin.Context) (auth.Active, error) {
	v, _ := c.Get(keyActive)
	a, ok := v.(auth.Active)
	if !ok { // cannot happen to a caller who has Self
		return a, problem(adminapi.TypePerson, "this is for people who are signed in with a session")
	}
	return a, nil
}

func (s *Server) from(c *gin.Context) auth.From {
	return auth.From{
		RequestID: requestID(c), Source: remoteIP(c), UserAgent: c.Request.UserAgent(),
		Device: s.cookie(c, deviceCookie), Replaces: s.cookie(c, sessionCookie),
	}
}

func by(c *gin.Context) auth.By {
	who := callerOf(c)
	return auth.By{Actor: who.Actor, RequestID: requestID(c), Source: who.from, Scope: append([]auth.Permission{}, who.Permissions...)}
}

func (s *Server) setupState(c *gin.Context) error {
	needed, err := s.cfg.Identity.People.SetupNeeded(c.Request.Context())
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, adminapi.SetupState{Needed: needed, OIDC: adminapi.OIDCState{Enabled: s.cfg.OIDC != nil, Name: s.cfg.OIDCName}})
	return nil
}

func (s *Server) setup(c *gin.Context) error {
	var in adminapi.SetupRequest
	if err := bind(c, &in); err != nil {
		return err
	}
	in.Code = pastedCode(in.Code)
	begun, err := s.cfg.Identity.People.Redeem(c.Request.Context(), auth.Setup(in), s.from(c))
	if err != nil {
		return err
	}
	return s.begin(c, begun)
}

func (s *Server) signIn(c *gin.Context) error {
	var in adminapi.SignInRequest
	if err := bind(c, &in); err != nil {
		return err
	}
	begun, err := s.cfg.Identity.Sessions.SignIn(c.Request.Context(), auth.Credentials{Email: in.Email, Password: in.Password, Code: in.TOTP}, s.from(c))
	if err != nil {
		return err
	}
	return s.begin(c, begun)
}

func (s *Server) showSession(c *gin.Context) error {
	a, err := active(c)
	if err != nil {
		return err
	}
	return s.renderCurrent(c, a, s.cookie(c, sessionCookie))
}

func (s *Server) signOut(c *gin.Context) error {
	a, err := active(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Identity.Sessions.SignOut(c.Request.Context(), a, by(c)); err != nil {
		return err
	}
	s.setCookie(c, cookie{name: sessionCookie})
	c.Header("Clear-Site-Data", `"cache"`)
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) stepUp(c *gin.Context) error {
	var in adminapi.StepUpRequest
	if err := bind(c, &in); err != nil {
		return err
	}
	a, err := active(c)
	if err != nil {
		return err
	}
	begun, err := s.cfg.Identity.Sessions.StepUp(c.Request.Context(), a, auth.Proof{Password: in.Password, Code: in.TOTP}, s.from(c))
	if err != nil {
		return err
	}
	return s.begin(c, begun)
}

// begin gives the browser its cookies and says who is signed in.
func (s *Server) begin(c *gin.Context, in auth.SignedIn) error {
	s.keep(c, in)
	return s.renderCurrent(c, auth.Active{
		Person: in.Person, Session: in.Session,
		Principal: auth.Principal{Permissions: in.Person.Role.Permissions(), StepUpUntil: in.Session.StepUpUntil},
	}, in.Secret)
}

func (s *Server) keep(c *gin.Context, in auth.SignedIn) {
	s.setCookie(c, cookie{name: sessionCookie, value: in.Secret, life: in.Session.ExpiresAt.Sub(s.cfg.Now())})
	if in.Device != "" {
		s.setCookie(c, cookie{name: deviceCookie, value: in.Device, life: auth.DeviceLife})
	}
}

func (s *Server) renderCurrent(c *gin.Context, a auth.Active, secret string) error {
	left, err := s.cfg.Identity.Account.RecoveryCodesLeft(c.Request.Context(), a)
	if err != nil {
		return err
	}
	p := a.Person
	c.JSON(http.StatusOK, adminapi.CurrentSession{
		SessionID: a.Session.ID,
		Person: adminapi.SessionPerson{
			ID: p.ID, Email: p.Email, Name: p.Name, Role: string(p.Role), TOTP: p.HasTOTP(), OIDC: !p.Local(), RecoveryCodesLeft: left,
		},
		Permissions: texts(a.Principal.Permissions), CSRFToken: auth.CSRFToken(secret),
		ExpiresAt: a.Session.ExpiresAt, IdleExpiresAt: a.Session.IdleExpiresAt(), StepUpUntil: a.Session.StepUpUntil,
		EventsAfter: s.cfg.Events.Position(),
	})
	return nil
}

// texts renders permissions; never null.
func texts(ps []auth.Permission) []string {
	out := make([]string, 0, len(ps))
	for _, p := range ps {
		out = append(out, string(p))
	}
	return out
}

// listSessions renders a page of the list of sessions that has this name.
func (s *Server) listSessions(c *gin.Context, name string, q auth.SessionQuery, current string) error {
	items, next, total, err := byCreation(c, name, func(ctx context.Context, after auth.Place, limit int) ([]auth.Session, int, error) {
		return s.cfg.Identity.Sessions.Page(ctx, q, after, limit)
	}, func(it auth.Session) auth.Place { return auth.Place{At: it.CreatedAt, ID: it.ID} })
	if err != nil {
		return err
	}
	emails, err := s.emails(c.Request.Context(), items)
	if err != nil {
		return err
	}
	out := adminapi.SessionList{Sessions: make([]adminapi.Session, 0, len(items)), NextPageToken: next, Total: total}
	for _, it := range items {
		out.Sessions = append(out.Sessions, renderSession(it, emails[it.PersonID], current))
	}
	return list(c, out)
}

func renderSession(it auth.Session, email, current string) adminapi.Session {
	return adminapi.Session{
		ID: it.ID, PersonID: it.PersonID, PersonEmail: email, Method: string(it.Method), Source: it.Source, UserAgent: it.UserAgent,
		Current: it.ID == current, CreatedAt: it.CreatedAt, LastSeenAt: it.LastSeenAt, ExpiresAt: it.IdleExpiresAt(),
	}
}

// emails are those of the people of these sessions. One who is removed meanwhile has none.
func (s *Server) emails(ctx context.Context, of []auth.Session) (map[string]string, error) {
	out := make(map[string]string, len(of))
	for _, it := range of {
		if _, known := out[it.PersonID]; known {
			continue
		}
		p, err := s.cfg.Identity.People.Get(ctx, it.PersonID)
		if err != nil && !errors.Is(err, auth.ErrPersonNotFound) {
			return nil, err
		}
		out[it.PersonID] = p.Email
	}
	return out, nil
}

// identityProblem translates errors of auth; nil is none of them.
func identityProblem(err error) *problemError {
	if many, ok := errors.AsType[*auth.TooManyError](err); ok {
		p := problem(adminapi.TypeTooManyFailures, many.Error())
		p.retryAfter = many.RetryAfter
		return p
	}
	for _, it := range []struct {
		err error
		typ string
	}{
		{auth.ErrTOTPRequired, adminapi.TypeTOTPRequired},
		{auth.ErrRefused, adminapi.TypeUnauthenticated},
		{auth.ErrLinkRefused, adminapi.TypeSetupLink},
		{auth.ErrPersonNotFound, adminapi.TypeNotFound},
		{auth.ErrSessionNotFound, adminapi.TypeNotFound},
		{auth.ErrKeyNotFound, adminapi.TypeNotFound},
		{auth.ErrDeviceCode, adminapi.TypeNotFound},
		{auth.ErrMore, adminapi.TypeForbidden},
		{auth.ErrKeyEnded, adminapi.TypeRevoked},
		{auth.ErrLastOwner, adminapi.TypeLastOwner},
		{auth.ErrOwnRole, adminapi.TypePerson},
		{auth.ErrFederated, adminapi.TypePerson},
		{auth.ErrTOTPState, adminapi.TypePerson},
		{auth.ErrEmailTaken, adminapi.TypePerson},
		{auth.ErrDeclaredOwner, adminapi.TypeDeclared},
		{auth.ErrDeclaredKey, adminapi.TypeDeclared},
	} {
		if errors.Is(err, it.err) {
			return problem(it.typ, it.err.Error())
		}
	}
	return nil
}
