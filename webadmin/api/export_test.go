package api

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Routes are the routes that gin serves.
func (s *Server) Routes() gin.RoutesInfo { return s.engine.Routes() }

// Operation is what tests see of an operation.
type Operation struct {
	Method, Route  string
	ID             string
	Permission     auth.Permission
	Public, StepUp bool
	// JSON takes a JSON body, AnyQuery takes every query, NoHead has no HEAD.
	JSON, AnyQuery, NoHead, Stream bool
}

// Operations are all rows, in their order.
func (s *Server) Operations() []Operation {
	var out []Operation
	for _, o := range s.operations() {
		out = append(out, Operation{
			Method: o.method, Route: o.route(), ID: o.id, Permission: o.permission, Public: o.public, StepUp: o.stepUp,
			JSON: o.request != nil && !o.form, AnyQuery: o.anyQuery, NoHead: o.noHead, Stream: o.stream,
		})
	}
	return out
}

// Hurry shortens the timeouts of requests (read and write), of pings and of slow
// readers. It is called before Run.
func (s *Server) Hurry(request, ping, reader time.Duration) {
	s.timeouts.read, s.timeouts.write, s.timeouts.ping, s.timeouts.slowReader = request, request, ping, reader
}

// CheckEvery is how often a stream asks whether its reader still may read it.
const CheckEvery = checkEvery

// Check has it asked as often as this.
func (s *Server) Check(every time.Duration) { s.timeouts.check = every }

// Drain is how long requests in flight have when the server stops.
func (s *Server) Drain(d time.Duration) { s.timeouts.drain = d }

// DropRow removes a row, to prove that a route without one is refused.
func (s *Server) DropRow(method, route string) { delete(s.table, method+" "+route) }

// ServeBeside registers a route beside the table and serves it.
func (s *Server) ServeBeside(path string, w *httptest.ResponseRecorder, r *http.Request) {
	s.engine.GET(path, func(c *gin.Context) { c.Status(http.StatusOK) })
	s.engine.ServeHTTP(w, r)
}

// NewFailures returns the allow method of a failure limiter.
func NewFailures(now func() time.Time) (allow func(ip string) bool, size func() int) {
	f := newFailures(now)
	return f.allow, f.byAddr.Size
}

// MaxFailing is the bound of the failure limiter.
const MaxFailing = sourcelimit.MaxSources

// WebLog is what takes the lines of net/http.
func WebLog(log *zap.Logger) io.Writer { return webLog{log} }

// DashboardHandler serves files as the engine does, without the API.
func DashboardHandler(files fs.FS) http.Handler {
	s := &Server{log: zap.NewNop(), dashboard: newDashboard(files)}
	e := gin.New()
	e.Use(s.identifyRequest, s.secureHeaders)
	e.NoRoute(s.dashboard.serve, s.handle(noRoute))
	return e
}
