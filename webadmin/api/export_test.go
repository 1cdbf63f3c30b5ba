package api

import (
	"time"

	"github.com/gin-gonic/gin"
)

// Routes are the routes that gin serves.
func (s *Server) Routes() gin.RoutesInfo { return s.engine.Routes() }

// HasRule says whether a route has an authorization row.
func (s *Server) HasRule(method, path string) bool { return len(s.rules[method+" "+path]) > 0 }

// DropRule removes a row, to prove that a route without one is refused.
func (s *Server) DropRule(method, path string) { delete(s.rules, method+" "+path) }

// Rules is the number of rows.
func (s *Server) Rules() int { return len(s.rules) }

// NewFailures returns the allow method of a failure limiter.
func NewFailures(now func() time.Time) (allow func(ip string) bool, size func() int) {
	f := newFailures(now)
	return f.allow, func() int { return len(f.byAddr) }
}

// MaxFailing is the bound of the failure limiter.
const MaxFailing = maxFailing
