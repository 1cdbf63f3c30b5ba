package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

// caller is who an authenticated request comes from.
type caller struct {
	actor string
	scope auth.Scope
	from  string
}

func callerOf(c *gin.Context) caller {
	v, _ := c.Get(keyCaller)
	who, _ := v.(caller)
	return who
}

// authenticate finds out who calls, or ends the request.
func (s *Server) authenticate(c *gin.Context) {
	p, err := s.cfg.Auth.Authenticate(c.Request.Context(), bearer(c.Request.Header))
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		s.refuse(c, refused)
		return
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Set(keyCaller, caller{actor: p.Actor, scope: p.Scope, from: remoteIP(c)})
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

// refuse answers every kind of bad key alike. A caller that fails too often is
// told to wait; a valid key is accepted even then, because on loopback every
// program of the host shares one address and could lock the operator out.
func (s *Server) refuse(c *gin.Context, r *auth.RefusedError) {
	if !s.failures.allow(remoteIP(c)) {
		c.Header("Retry-After", strconv.Itoa(int(failureEvery.Seconds())))
		s.fail(c, problem(http.StatusTooManyRequests, adminapi.TypeTooManyFailures, "too many requests without a valid API key; wait"))
		return
	}
	actor := ""
	if r.KeyID != "" {
		actor = "key:" + r.KeyID
	}
	s.recordRefusal(c, actor, r.Reason)
	c.Header("WWW-Authenticate", `Bearer realm="grpccontroller"`)
	s.fail(c, problem(http.StatusUnauthorized, adminapi.TypeUnauthenticated,
		`a valid API key is needed in the header "Authorization: Bearer <key>"`))
}

// authorize lets a caller pass whose scope has this route.
func (s *Server) authorize(c *gin.Context) {
	who := callerOf(c)
	if s.rules[c.Request.Method+" "+c.FullPath()].allows(who.scope) {
		return
	}
	s.recordRefusal(c, who.actor, "no authorization row for scope "+strconv.Quote(string(who.scope)))
	s.fail(c, problem(http.StatusForbidden, adminapi.TypeForbidden, "this API key may not use this route"))
}

func (s *Server) recordRefusal(c *gin.Context, actor, reason string) {
	e := audit.Event{
		Actor: actor, Action: audit.AdminSignIn, Target: "route " + c.Request.Method + " " + c.FullPath(),
		Outcome: audit.Denied, Reason: reason, RequestID: requestID(c), Source: remoteIP(c),
	}
	s.log.Warn("admin caller refused", zap.String("reason", reason), zap.String("actor", actor),
		zap.String("request_id", e.RequestID), zap.String("caller_addr", e.Source))
	if s.cfg.Audit == nil {
		return
	}
	if err := s.cfg.Audit(c.Request.Context(), e); err != nil {
		s.log.Error("refusal not recorded in the audit log", zap.String("request_id", e.RequestID), zap.Error(err))
	}
}
