package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// problemError is an error that the caller may read.
type problemError struct {
	adminapi.Problem
	retryAfter time.Duration // 0 gives none
}

// Error implements error.
func (e *problemError) Error() string { return e.Detail }

// problemTypes are all that there are; a problem of another type cannot be made.
var problemTypes = func() map[string]adminapi.ProblemType {
	out := map[string]adminapi.ProblemType{}
	for _, t := range adminapi.ProblemTypes() {
		out[t.Type] = t
	}
	return out
}()

// problem is one of a type of adminapi.ProblemTypes, which has its title and status.
func problem(typ, detail string) *problemError {
	t, known := problemTypes[typ]
	if !known { // a test looks for it
		t = problemTypes[adminapi.TypeInternal]
	}
	return &problemError{Problem: adminapi.Problem{Type: t.Type, Title: t.Title, Status: t.Status, Detail: detail}}
}

func noRoute(*gin.Context) error {
	return problem(adminapi.TypeNotFound, "there is no such path in the admin API")
}

// problemOf translates an error of the domain. Everything that is not listed is
// internal: its text stays in the log.
func problemOf(err error) *problemError {
	if p, ok := errors.AsType[*problemError](err); ok {
		return p
	}
	if p := identityProblem(err); p != nil {
		return p
	}
	if f := fieldFaults(err); len(f) > 0 {
		return f.problem()
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem(adminapi.TypeTooLarge, fmt.Sprintf("the request body is larger than %d KiB", large.Limit>>10))
	}
	if p := replayProblem(err); p != nil {
		return p
	}
	if p := editProblem(err); p != nil {
		return p
	}
	switch {
	case errors.Is(err, rotation.ErrUpstream):
		return problem(adminapi.TypeUpstream, rotation.ErrUpstream.Error())
	case errors.Is(err, anchors.ErrNone), errors.Is(err, anchors.ErrRunning), errors.Is(err, anchors.ErrTooLate), errors.Is(err, anchors.ErrExternal):
		return problem(adminapi.TypeRotation, err.Error())
	case errors.Is(err, rotation.ErrNone), errors.Is(err, rotation.ErrRunning), errors.Is(err, rotation.ErrTooLate), errors.Is(err, rotation.ErrNotStuck):
		return problem(adminapi.TypeRotation, err.Error())
	case errors.Is(err, enroll.ErrLiveMember):
		return problem(adminapi.TypeLiveMember, enroll.ErrLiveMember.Error())
	case errors.Is(err, enroll.ErrRequestNotFound):
		return problem(adminapi.TypeNotFound, "there is no enrollment request with this request_id")
	case errors.Is(err, attention.ErrNotFound):
		return problem(adminapi.TypeNotFound, "this item is not there any more, or its state has changed: list them again")
	case errors.Is(err, enroll.ErrRequestDecided):
		return problem(adminapi.TypeRequestDecided, enroll.ErrRequestDecided.Error())
	case errors.Is(err, enroll.ErrFingerprint):
		p := problem(adminapi.TypeFingerprint, enroll.ErrFingerprint.Error())
		p.Field, p.Errors = "fingerprint", inBody("fingerprint", p.Detail).Errors
		return p
	case errors.Is(err, enroll.ErrClaimRefused):
		return problem(adminapi.TypeClaimRefused, enroll.ErrClaimRefused.Error())
	case errors.Is(err, enroll.ErrTokenNotFound):
		return problem(adminapi.TypeNotFound,
			"there is no enrollment token with this token_id (a token_id begins with tok_ and is not the token itself)")
	case errors.Is(err, fleet.ErrNotFound):
		return problem(adminapi.TypeNotFound, "nothing is enrolled with this id")
	case errors.Is(err, context.DeadlineExceeded):
		return problem(adminapi.TypeTimeout, "the controller did not answer in time; try again")
	default:
		return problem(adminapi.TypeInternal,
			"internal error; the controller's log has the reason under this request id")
	}
}

// notEnrolled says which id is not known, and which list has those that are.
func notEnrolled(kind, id string) *problemError {
	return problem(adminapi.TypeNotFound,
		fmt.Sprintf("no %s has the id %q: GET %s/%[1]ss lists them, and with status=REVOKED those that were revoked", kind, id, adminapi.Base))
}

// fail ends a request with err.
func (s *Server) fail(c *gin.Context, err error) {
	translated := problemOf(err)
	p := translated.Problem
	p.RequestID = requestID(c)
	c.Set(keyProblem, p.Type)
	if wait := translated.retryAfter; wait > 0 {
		c.Header("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	switch {
	case p.Status < http.StatusInternalServerError:
	case errors.Is(c.Request.Context().Err(), context.Canceled):
		s.logOf(c).Info("caller went away", zap.Error(err))
	default:
		s.logOf(c).Error("admin request not served", zap.String("route", c.FullPath()), zap.Error(err))
	}
	body, err := json.Marshal(p)
	if err != nil {
		c.AbortWithStatus(p.Status) // cannot happen: strings and a number
		return
	}
	c.Abort()
	c.Data(p.Status, adminapi.ProblemContentType, body)
}

// handle turns an error of h into a problem.
func (s *Server) handle(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := h(c)
		if refused, ok := errors.AsType[*auth.RefusedError](err); ok { // the caller's key or account ended meanwhile
			s.refuse(c, refused)
			return
		}
		if err != nil {
			s.fail(c, err)
		}
	}
}

// clip bounds what a request may add to its reply.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
