package api

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidc"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) oidcOperations() []operation {
	away := map[int]any{http.StatusSeeOther: nil}
	return []operation{{
		method: http.MethodGet, path: "/session/oidc/start", id: "startOIDCSignIn", tag: "sign-in", summary: "Go to the identity provider to sign in",
		description: "For a browser: it answers with a redirect, also when the provider is down (to /sign-in?error=oidc-unavailable).",
		public:      true, query: []param{
			{name: "return_to", description: `where to go afterwards: a path of this site such as "/connectors"`, maxLength: 1024},
			{name: "step_up", description: "re-authenticate the session of this browser", enum: []string{"true"}},
		}, replies: away, problems: []string{adminapi.TypeNoProvider}, noHead: true, handle: s.startOIDC,
	}, {
		method: http.MethodGet, path: "/session/oidc/callback", id: "finishOIDCSignIn", tag: "sign-in", summary: "Return from the identity provider",
		description: "The provider adds its own parameters. Every error redirects to /sign-in?error=oidc-refused.",
		public:      true, anyQuery: true, replies: away, problems: []string{adminapi.TypeNoProvider}, noHead: true, handle: s.finishOIDC,
	}}
}

func (s *Server) startOIDC(c *gin.Context) error {
	if s.cfg.OIDC == nil {
		return errNoProvider()
	}
	begin := oidc.Begin{ReturnTo: queryOf(c).Get("return_to")}
	if queryOf(c).Has("step_up") {
		a, err := s.cfg.Identity.Sessions.Authenticate(c.Request.Context(), s.cookie(c, sessionCookie), false)
		if err != nil {
			return s.signInPage(c, "oidc-refused", err)
		}
		begin.Session = a.Session.ID
	}
	to, flow, err := s.cfg.OIDC.Start(c.Request.Context(), begin)
	switch {
	case errors.Is(err, oidc.ErrReturnTo):
		return inQuery("return_to", err.Error())
	case err != nil:
		return s.signInPage(c, "oidc-unavailable", err)
	}
	s.setCookie(c, cookie{name: flowCookie, value: flow, life: oidc.FlowLife})
	c.Redirect(http.StatusSeeOther, to)
	return nil
}

func (s *Server) finishOIDC(c *gin.Context) error {
	if s.cfg.OIDC == nil {
		return errNoProvider()
	}
	flow := s.cookie(c, flowCookie)
	s.setCookie(c, cookie{name: flowCookie}) // one answer to one question
	done, err := s.cfg.OIDC.Finish(c.Request.Context(), flow, c.Request.URL.Query())
	if errors.Is(err, oidc.ErrUnavailable) {
		return s.signInPage(c, "oidc-unavailable", err)
	}
	if err != nil {
		if s.failures.allow(remoteIP(c)) {
			s.recordRefusal(c, "", err.Error())
		}
		return s.signInPage(c, "oidc-refused", err)
	}
	in, err := s.federate(c, done)
	if err != nil {
		return s.signInPage(c, "oidc-refused", err)
	}
	s.keep(c, in)
	c.Redirect(http.StatusSeeOther, done.ReturnTo)
	return nil
}

func (s *Server) federate(c *gin.Context, done oidc.Finished) (auth.SignedIn, error) {
	sessions := s.cfg.Identity.Sessions
	if done.Session == "" {
		return sessions.SignInFederated(c.Request.Context(), done.Person, s.from(c))
	}
	a, err := sessions.Authenticate(c.Request.Context(), s.cookie(c, sessionCookie), false)
	if err == nil && a.Session.ID != done.Session {
		err = errors.New("the browser came back with another session than the one that asked to re-authenticate")
	}
	if err != nil {
		return auth.SignedIn{}, err
	}
	return sessions.StepUpFederated(c.Request.Context(), a, done.Person, s.from(c))
}

// signInPage is where a browser goes with what a person can do about it; the
// reason is for the log.
func (s *Server) signInPage(c *gin.Context, code string, err error) error {
	if !errors.Is(err, auth.ErrRefused) { // that one is in the log, with its reason
		s.logOf(c).Warn("sign-in with the identity provider failed", zap.Error(err))
	}
	c.Redirect(http.StatusSeeOther, "/sign-in?error="+url.QueryEscape(code))
	return nil
}

func errNoProvider() error {
	return problem(adminapi.TypeNoProvider, "no identity provider is configured; sign in with a password")
}
