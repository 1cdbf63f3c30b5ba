package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// caller is who an authenticated request comes from.
type caller struct {
	auth.Principal
	from string // address, without the port; of a local caller its user and process
}

func callerOf(c *gin.Context) caller {
	v, _ := c.Get(keyCaller)
	who, _ := v.(caller)
	return who
}

// authenticate finds out who calls, or ends the request. What is public needs
// nobody, and what is no route has nothing to protect.
//
// The Authorization header wins over the cookie: who sends it means it, and it
// does not come from a page of another site.
func (s *Server) authenticate(c *gin.Context) {
	o, _ := s.operationOf(c)
	if c.FullPath() == "" {
		return
	}
	if l := localOf(c.Request.Context()); l != nil && l.Owner {
		if !o.public {
			setCaller(c, auth.Local())
		}
		return
	}
	byCookie := len(c.Request.Header.Values("Authorization")) == 0
	if byCookie {
		if err := s.sameOrigin(c); err != nil {
			s.fail(c, err)
			return
		}
	}
	if o.public {
		return
	}
	if secret := s.cookie(c, sessionCookie); byCookie && secret != "" {
		s.authenticateSession(c, secret, o.stream)
		return
	}
	p, err := s.cfg.Auth.Authenticate(c.Request.Context(), bearer(c.Request.Header))
	if err != nil {
		if byCookie && o.method == http.MethodGet && o.path == "/session" {
			// Every visit begins with the question who one is. Without a credential it
			// tries nothing: as a refusal it would fill the audit log and use up the limit.
			s.fail(c, notSignedIn())
			return
		}
		s.unauthenticated(c, err)
		return
	}
	setCaller(c, p)
}

// setCaller notes who calls, whose connection this is from now on.
func setCaller(c *gin.Context, p auth.Principal) {
	sourcelimit.IdentifyRequest(c.Request.Context(), p.Actor)
	c.Set(keyCaller, caller{Principal: p, from: remoteIP(c)})
}

// Headers of requests that come with a session cookie.
const (
	csrfHeader = "X-CSRF-Token"
	// passiveHeader marks a request that no person caused, such as a page's polling:
	// it does not keep an idle session alive.
	passiveHeader = "X-Passive"
)

func (s *Server) authenticateSession(c *gin.Context, secret string, stream bool) {
	passive := stream || c.GetHeader(passiveHeader) == "1"
	a, err := s.cfg.Identity.Sessions.Authenticate(c.Request.Context(), secret, passive)
	if err != nil {
		s.unauthenticated(c, err)
		return
	}
	if !safe(c.Request.Method) && !auth.CheckCSRF(secret, c.GetHeader(csrfHeader)) {
		s.recordRefusal(c, a.Principal.Actor, "no CSRF token of this session")
		s.fail(c, problem(adminapi.TypeCSRF, "the header "+csrfHeader+" must be the csrf_token of GET /session"))
		return
	}
	c.Set(keyActive, a)
	setCaller(c, a.Principal)
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// sameOrigin refuses what a page of another site makes a browser send: browsers
// say so in Sec-Fetch-Site or Origin, and other programs send neither. It also
// keeps such a page from signing its visitor in as somebody else.
func (s *Server) sameOrigin(c *gin.Context) error {
	if http.NewCrossOriginProtection().Check(c.Request) == nil {
		return nil
	}
	if s.failures.allow(remoteIP(c)) {
		s.recordRefusal(c, "", "request of another site's page")
	}
	return problem(adminapi.TypeCSRF, "a page of another site may not do this")
}

func (s *Server) unauthenticated(c *gin.Context, err error) {
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		s.refuse(c, refused)
		return
	}
	s.fail(c, err)
}

// principal says who the caller of an open stream is by now, which keeps no idle
// session alive. Errors: *auth.RefusedError; others mean that it cannot be known.
func (s *Server) principal(ctx context.Context, c *gin.Context) (auth.Principal, error) {
	if l := localOf(ctx); l != nil && l.Owner {
		return auth.Local(), nil
	}
	secret := s.cookie(c, sessionCookie)
	if len(c.Request.Header.Values("Authorization")) > 0 || secret == "" {
		return s.cfg.Auth.Authenticate(ctx, bearer(c.Request.Header))
	}
	a, err := s.cfg.Identity.Sessions.Authenticate(ctx, secret, true)
	return a.Principal, err
}

// bearer reads the key from the one Authorization header. Two headers are
// refused: another program on the way might have believed the other one.
func bearer(h http.Header) string {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return key
}

// refuse answers every kind of bad key alike. A caller that fails too often has
// to wait; a valid key is accepted even then, because on loopback every
// program of the host shares one address and could lock the operator out.
func (s *Server) refuse(c *gin.Context, r *auth.RefusedError) {
	if !s.failures.allow(remoteIP(c)) {
		c.Header("Retry-After", strconv.Itoa(int(failureEvery.Seconds())))
		s.fail(c, problem(adminapi.TypeTooManyFailures, "too many requests without a valid API key; wait"))
		return
	}
	s.recordRefusal(c, r.Actor, r.Reason)
	c.Header("WWW-Authenticate", `Bearer realm="grpccontroller"`)
	s.fail(c, notSignedIn())
}

func notSignedIn() error {
	return problem(adminapi.TypeUnauthenticated,
		`sign in, or send a valid API key or access token in the header "Authorization: Bearer <key>"`)
}

// authorize lets a caller pass who has the permission of the operation. Exactly
// this function decides what a caller may do.
func (s *Server) authorize(c *gin.Context) {
	if c.FullPath() == "" {
		return
	}
	who := callerOf(c)
	o, known := s.operationOf(c)
	switch {
	case known && o.public:
	case !known || o.permission == "":
		s.recordRefusal(c, who.Actor, "the route has no authorization rule")
		s.fail(c, problem(adminapi.TypeForbidden, "this route is closed"))
	case !who.May(o.permission):
		s.recordRefusal(c, who.Actor, "no permission "+string(o.permission))
		s.fail(c, problem(adminapi.TypeForbidden, "this needs the permission "+string(o.permission)+", which this caller does not have"))
	case o.stepUp && !who.SteppedUp(s.cfg.Now()):
		s.fail(c, problem(adminapi.TypeStepUpRequired, "this needs you to sign in again first"))
	}
}

func (s *Server) recordRefusal(c *gin.Context, actor, reason string) {
	e := audit.Event{
		Actor: actor, Action: audit.AdminSignIn, Target: "route " + c.Request.Method + " " + c.FullPath(),
		Outcome: audit.Denied, Reason: reason, RequestID: requestID(c), Source: remoteIP(c),
	}
	s.logOf(c).Warn("admin caller refused", zap.String("reason", reason), zap.String("actor", actor))
	if s.cfg.Audit == nil {
		return
	}
	if err := s.cfg.Audit(c.Request.Context(), e); err != nil {
		s.logOf(c).Error("refusal not recorded in the audit log", zap.Error(err))
	}
}
