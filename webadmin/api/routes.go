package api

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
)

// operations are all operations of the API. Each group stands beside its handlers.
func (s *Server) operations() []operation {
	return slices.Concat(
		s.statusOperations(),
		s.attentionOperations(),
		s.eventOperations(),
		s.openAPIOperations(),
		s.tokenOperations(),
		s.requestOperations(),
		s.claimOperations(),
		s.enrollmentOperations(),
		s.memberOperations(),
		s.hostOperations(),
		s.networkOperations(),
		s.resourceOperations(),
		s.grantOperations(),
		s.policyTestOperations(),
		s.policyOperations(),
		s.revocationOperations(),
		s.caOperations(),
		s.bootstrapOperations(),
		s.auditOperations(),
		s.flowOperations(),
		s.sessionOperations(),
		s.oidcOperations(),
		s.meOperations(),
		s.peopleOperations(),
		s.keyOperations(),
		s.oauthOperations(),
		s.deviceOperations(),
	)
}

func (s *Server) newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode) // no banner and no list of routes on stdout
	e := gin.New()
	e.RedirectTrailingSlash, e.RedirectFixedPath = false, false
	e.HandleMethodNotAllowed = true
	_ = e.SetTrustedProxies(nil) // the caller's address is the socket's; X-Forwarded-For is only a claim
	// Whoever may not call an operation learns nothing of what it would have said to
	// the rest of the request, so that comes last. A route that is registered beside
	// the table has no row, and authorize refuses it.
	e.Use(answerHead, s.identifyRequest, s.logAccess, s.recoverPanic, s.secureHeaders, s.checkHost, s.boundRequest,
		s.authenticate, s.authorize, s.checkQuery, s.checkConditions, s.once)
	e.NoRoute(s.serveCA, s.dashboard.serve, s.handle(noRoute))
	e.NoMethod(s.handle(noMethod))
	for _, o := range s.table {
		e.Handle(o.method, o.route(), s.handle(o.handle))
		if o.method == http.MethodGet && !o.noHead {
			e.HEAD(o.route(), s.handle(o.head()))
		}
	}
	return e
}

// tableOf finds operations by method and route. Two of one key are a slip that gin
// would panic at.
func tableOf(all []operation) map[string]operation {
	out := make(map[string]operation, len(all))
	for _, o := range all {
		out[o.key()] = o
	}
	return out
}
