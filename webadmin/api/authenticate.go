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
	auth.Principal
	from string // address, without the port
}

func callerOf(c *gin.Context) caller {
	v, _ := c.Get(keyCaller)
	who, _ := v.(caller)
	return who
}

// authenticate finds out who calls, or ends the request. What is public needs
// nobody, and what is no route has nothing to protect.
func (s *Server) authenticate(c *gin.Context) {
	if o, _ := s.operationOf(c); o.public || c.FullPath() == "" {
		return
	}
	p, err := s.cfg.Auth.Authenticate(c.Request.Context(), bearer(c.Request.Header))
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		s.refuse(c, refused)
		return
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Set(keyCaller, caller{Principal: p, from: remoteIP(c)})
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
	s.recordRefusal(c, r.Actor, r.Reason)
	c.Header("WWW-Authenticate", `Bearer realm="grpccontroller"`)
	s.fail(c, problem(http.StatusUnauthorized, adminapi.TypeUnauthenticated,
		`a valid API key is needed in the header "Authorization: Bearer <key>"`))
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
		s.recordRefusal(c, who.Actor, "the route has no authorization row")
		s.fail(c, problem(http.StatusForbidden, adminapi.TypeForbidden, "nobody may use this route"))
	case !who.May(o.permission):
		s.recordRefusal(c, who.Actor, "no permission "+string(o.permission))
		s.fail(c, problem(http.StatusForbidden, adminapi.TypeForbidden, "this needs the permission "+string(o.permission)+", which this caller does not have"))
	case o.stepUp && !who.SteppedUp(s.cfg.Now()):
		s.fail(c, problem(http.StatusForbidden, adminapi.TypeStepUpRequired, "this needs you to sign in again first"))
	}
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
