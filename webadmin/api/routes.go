package api

import (
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

// rule says which scopes may use one route.
type rule []auth.Scope

func (r rule) allows(s auth.Scope) bool { return slices.Contains(r, s) }

// rules maps "METHOD path" to who may use it. A route without a row is refused.
func rules() map[string]rule {
	operator := rule{auth.ScopeBootstrap}
	return map[string]rule{
		"GET /api/admin/status":            operator,
		"POST /api/admin/tokens":           operator,
		"GET /api/admin/tokens":            operator,
		"DELETE /api/admin/tokens/:id":     operator,
		"GET /api/admin/connectors":        operator,
		"GET /api/admin/connectors/:id":    operator,
		"DELETE /api/admin/connectors/:id": operator,
		"GET /api/admin/tunnelers":         operator,
		"GET /api/admin/tunnelers/:id":     operator,
		"DELETE /api/admin/tunnelers/:id":  operator,

		"GET /api/admin/ca":                   operator,
		"POST /api/admin/ca/rotations":        operator,
		"POST /api/admin/ca/rotations/resume": operator,
		"POST /api/admin/ca/rotations/abort":  operator,
	}
}

// routes are all routes of the API.
func (s *Server) routes(g gin.IRoutes) {
	g.GET("/status", s.handle(s.status))
	g.POST("/tokens", s.handle(s.createToken))
	g.GET("/tokens", s.handle(s.listTokens))
	g.DELETE("/tokens/:id", s.handle(s.revokeToken))
	g.GET("/connectors", s.handle(s.listConnectors))
	g.GET("/connectors/:id", s.handle(s.getConnector))
	g.DELETE("/connectors/:id", s.handle(s.revokeConnector))
	g.GET("/tunnelers", s.handle(s.listTunnelers))
	g.GET("/tunnelers/:id", s.handle(s.getTunneler))
	g.DELETE("/tunnelers/:id", s.handle(s.revokeTunneler))
	g.GET("/ca", s.handle(s.getCA))
	g.POST("/ca/rotations", s.handle(s.startRotation))
	g.POST("/ca/rotations/resume", s.handle(s.resumeRotation))
	g.POST("/ca/rotations/abort", s.handle(s.abortRotation))
}

func (s *Server) newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode) // no banner and no list of routes on stdout
	e := gin.New()
	e.RedirectTrailingSlash, e.RedirectFixedPath = false, false
	e.HandleMethodNotAllowed = true
	_ = e.SetTrustedProxies(nil) // the caller's address is the socket's; X-Forwarded-For is only a claim
	e.Use(s.identifyRequest, s.logAccess, s.recoverPanic, s.secureHeaders, s.boundRequest)
	e.NoRoute(s.handle(noRoute))
	e.NoMethod(s.handle(noMethod))
	g := e.Group(adminapi.Base)
	g.Use(s.authenticate, s.authorize)
	s.routes(g)
	return e
}
