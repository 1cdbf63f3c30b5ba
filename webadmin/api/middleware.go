package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"
)

// Keys of the gin context.
const (
	keyRequestID = "request_id"
	keyCaller    = "caller"
	keyActive    = "active"
	keyQuery     = "query"
	keyResource  = "resource"
)

// identifyRequest gives the request an id of ours. One from outside is ignored:
// it could repeat another's or carry what a log reader would execute.
func (s *Server) identifyRequest(c *gin.Context) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	id := hex.EncodeToString(b[:])
	c.Set(keyRequestID, id)
	c.Header("X-Request-Id", id)
}

func requestID(c *gin.Context) string { return c.GetString(keyRequestID) }

// logAccess writes one line per request. It has the route, not the path or the
// query: an operator may have pasted a token there. Reads that succeed are at
// debug level, because the dashboard polls.
func (s *Server) logAccess(c *gin.Context) {
	start := time.Now()
	c.Next()
	log := s.log.Info
	if status := c.Writer.Status(); c.Request.Method == http.MethodGet && status < http.StatusBadRequest {
		log = s.log.Debug
	}
	log("admin request",
		zap.String("request_id", requestID(c)), zap.String("method", knownMethod(c.Request.Method)),
		zap.String("route", c.FullPath()), zap.Int("status", c.Writer.Status()),
		zap.Duration("duration", time.Since(start)), zap.String("caller_addr", remoteIP(c)),
		zap.String("actor", callerOf(c).Actor))
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
		s.log.Error("handler panicked", zap.String("request_id", requestID(c)), zap.String("route", c.FullPath()),
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
	if s.cfg.TLS != nil {
		c.Header("Strict-Transport-Security", "max-age=31536000")
	}
}

// boundRequest caps what one request may send and, unless it streams, how long it
// may take.
func (s *Server) boundRequest(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	if o, _ := s.operationOf(c); o.stream {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), handlerTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

// remoteIP is the address of the socket, without the port.
func remoteIP(c *gin.Context) string {
	host, _, err := net.SplitHostPort(c.Request.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
