package api

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/openapi"
)

// Routes are the routes that gin serves.
func (s *Server) Routes() gin.RoutesInfo { return s.engine.Routes() }

// Operation is what tests see of an operation.
type Operation struct {
	Method, Route  string
	Permission     auth.Permission
	Public, StepUp bool
}

// Operations are all rows, in their order.
func (s *Server) Operations() []Operation {
	var out []Operation
	for _, o := range s.operations() {
		out = append(out, Operation{o.method, o.route(), o.permission, o.public, o.stepUp})
	}
	return out
}

// Document writes the OpenAPI document of the table.
func (s *Server) Document() ([]byte, error) {
	var ops []openapi.Operation
	parameters := func(all []param) []openapi.Parameter {
		var out []openapi.Parameter
		for _, p := range all {
			out = append(out, openapi.Parameter{
				Name: p.name, Description: p.description, Pattern: p.pattern, Enum: p.enum,
				Integer: p.integer, Min: p.min, Max: p.max, MaxLength: p.maxLength,
			})
		}
		return out
	}
	for _, o := range s.operations() {
		replies := map[int]any{}
		for status, body := range o.replies {
			switch body.(type) {
			case eventStream:
				body = openapi.Stream{Data: adminapi.Event{}}
			case eventLines:
				body = openapi.Lines{Data: adminapi.AuditEvent{}}
			}
			replies[status] = body
		}
		ops = append(ops, openapi.Operation{
			Method: o.method, Path: o.path, Tag: o.tag, Summary: o.summary, Description: o.description,
			Permission: string(o.permission), Public: o.public, StepUp: o.stepUp, Idempotent: o.idempotent(),
			Form: o.form, Query: parameters(o.query), Params: parameters(o.params),
			Request: o.request, Replies: replies, Problems: o.problems,
		})
	}
	return openapi.Document(openapi.Config{
		Title: "grpccontroller admin API", Version: "1", Base: adminapi.Base,
		Description: "Everything that the dashboard does. Errors are RFC 9457 problems. Lists are paged: send next_page_token as page_token.",
		Problem:     adminapi.Problem{}, ProblemType: adminapi.ProblemContentType, Source: "../../internal/adminapi",
		TokenURL: adminapi.Base + "/oauth/token", Cookie: "__Host-" + sessionCookie, CSRF: csrfHeader,
	}, ops)
}

// Hurry shortens the timeouts of requests (read and write), of pings and of slow
// readers. It is called before Run.
func (s *Server) Hurry(request, ping, reader time.Duration) {
	s.timeouts = timeouts{read: request, write: request, ping: ping, check: s.timeouts.check, slowReader: reader}
}

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

// DashboardHandler serves files as the engine does, without the API.
func DashboardHandler(files fs.FS) http.Handler {
	s := &Server{log: zap.NewNop()}
	e := gin.New()
	e.Use(s.identifyRequest, s.secureHeaders)
	e.NoRoute(newDashboard(files).serve, s.handle(noRoute))
	return e
}
