package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
)

// Keys of the gin context.
const (
	keyRequestID = "request_id"
	keyCaller    = "caller"
	keyActive    = "active"
	keyQuery     = "query"
	keyResource  = "resource"
	keyProblem   = "problem"
)

// theirRequestID is what a caller may put before the id: a log shows it, a shell may
// get it. Our secrets have a "_", so that none can be pasted here.
var theirRequestID = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// identifyRequest gives the request an id, and says which trace it is. An id from
// outside comes before ours, so that its sender finds the request by it, and cannot
// repeat another's: the audit log rests on the whole.
func (s *Server) identifyRequest(c *gin.Context) {
	id := logging.NewRequestID() + logging.NewRequestID() // 128 bits
	if theirs := c.Request.Header.Values(requestIDHeader); len(theirs) == 1 && theirRequestID.MatchString(theirs[0]) {
		id = theirs[0] + "." + id
	}
	c.Set(keyRequestID, id)
	c.Header(requestIDHeader, id)
	r := logging.Request{ID: id, CallerAddr: remoteIP(c)}
	ctx, end := s.trace(c, id)
	r.TraceID = tracing.TraceID(ctx)
	c.Request = c.Request.WithContext(logging.WithRequest(ctx, r))
	defer end()
	c.Next()
}

const requestIDHeader = "X-Request-Id"

// trace begins a trace of an operation, unless it streams: that has no end to see.
func (s *Server) trace(c *gin.Context, id string) (ctx context.Context, end func()) {
	ctx = c.Request.Context()
	o, ok := s.operationOf(c)
	if !ok || o.stream {
		return ctx, func() {}
	}
	ctx, span := s.cfg.Tracer.Begin(ctx, o.key(), tracing.Method(o.method), tracing.Route(o.route()), tracing.RequestID(id))
	return ctx, func() {
		status := c.Writer.Status()
		span.Set(tracing.Status(strconv.Itoa(status)))
		var failed error
		if status >= http.StatusInternalServerError {
			failed = errNotServed
		}
		span.End(failed)
	}
}

var errNotServed = errors.New("not served")

// logOf is the log with what distinguishes this request from others.
func (s *Server) logOf(c *gin.Context) *zap.Logger { return logging.For(c.Request.Context(), s.log) }

func requestID(c *gin.Context) string { return c.GetString(keyRequestID) }

// logAccess writes one line per request. It has the route, not the path or the
// query: an operator may have pasted a token there. Reads that succeed are at
// debug level, because the dashboard polls.
func (s *Server) logAccess(c *gin.Context) {
	start := time.Now()
	c.Next()
	level := zapcore.InfoLevel
	if status := c.Writer.Status(); safe(c.Request.Method) && status < http.StatusBadRequest {
		level = zapcore.DebugLevel
	}
	logging.For(c.Request.Context(), s.hot).Log(level, "admin request",
		zap.String("method", knownMethod(c.Request.Method)), zap.String("route", c.FullPath()),
		zap.Int("status", c.Writer.Status()), zap.Duration("duration", time.Since(start)), zap.String("actor", callerOf(c).Actor),
		problemField(c))
}

// problemField is the type of the problem that a request ended with, if it did.
func problemField(c *gin.Context) zap.Field {
	if typ := c.GetString(keyProblem); typ != "" {
		return zap.String("problem", strings.TrimPrefix(typ, adminapi.TypePrefix))
	}
	return zap.Skip()
}

// knownMethod keeps a made-up method, which may have any length, out of the log.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	default:
		return "other"
	}
}

// recoverPanic keeps a defect in one handler from ending the others.
func (s *Server) recoverPanic(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v) // net/http's way to cut a connection
		}
		s.logOf(c).Error("handler panicked", zap.String("route", c.FullPath()),
			zap.String("panic", fmt.Sprint(v)), zap.Stack("stack"))
		if c.Writer.Written() {
			c.Abort()
			return
		}
		s.fail(c, errPanicked)
	}()
	c.Next()
}

var errPanicked = errors.New("handler panicked")

func (s *Server) secureHeaders(c *gin.Context) {
	c.Header("Cache-Control", "no-store") // replies hold tokens
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	c.Header("Cross-Origin-Resource-Policy", "same-origin")
	c.Header("Referrer-Policy", "no-referrer")
	c.Header("X-Frame-Options", "DENY")
	c.Header("Cross-Origin-Opener-Policy", "same-origin")
	c.Header("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	if s.dashboard.build != "" {
		c.Header(buildHeader, s.dashboard.build)
	}
	if s.cfg.TLS != nil {
		c.Header("Strict-Transport-Security", "max-age=31536000")
	}
}

// boundRequest caps what one request may send and, unless it streams, how long it
// may take.
func (s *Server) boundRequest(c *gin.Context) {
	o, _ := s.operationOf(c)
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, cmp.Or(o.maxBody, maxBody))
	if o.stream {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), handlerTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

// remoteIP is the address of the socket, without the port. A caller by the local admin
// socket has none: it is named by its user and process.
func remoteIP(c *gin.Context) string {
	if l := localOf(c.Request.Context()); l != nil {
		return l.Peer.String()
	}
	host, _, err := net.SplitHostPort(c.Request.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
