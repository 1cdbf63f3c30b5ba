package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing/otlp"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// TestAnOperationIsATraceOfItsRoute: nothing that the caller chose is in it.
func TestAnOperationIsATraceOfItsRoute(t *testing.T) {
	t.Parallel()
	collector := telemetrytest.StartCollector(t)
	p, err := otlp.Open(t.Context(), otlp.Config{Endpoint: collector.Addr, Insecure: true, SampleRatio: 1}, otlp.Resource{}, zap.NewNop())
	require.NoError(t, err)
	e := apitest.New(t, func(c *api.Config) { c.Tracer = p.Tracer() })
	pasted := keys.NewSecret("ztc_")
	header := map[string][]string{"Cookie": {"session=" + pasted}, "User-Agent": {pasted}, "Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
	ok := send(t, e, request{method: http.MethodGet, path: "/api/admin/status", header: header})
	require.Equal(t, http.StatusOK, ok.Code)
	send(t, e, request{method: http.MethodDelete, path: "/api/admin/tokens/" + pasted, header: header})
	send(t, e, request{method: http.MethodGet, path: "/api/admin/connectors?cursor=" + pasted, header: header})
	send(t, e, request{method: http.MethodGet, path: "/api/admin/" + pasted, header: header})
	send(t, e, request{method: pasted, path: "/api/admin/status", header: header})
	require.NoError(t, p.Close())

	var names []string // of the roots: below one are the transactions of the store
	own := map[string]bool{}
	for _, s := range collector.Spans() {
		own[s.ID] = true
	}
	for _, s := range collector.Spans() {
		if s.Parent == "" {
			names = append(names, s.Name)
		}
		require.True(t, s.Parent == "" || own[s.Parent], "%s is below a span of the caller", s.Name)
		require.NotEqual(t, "0af7651916cd43dd8448eb211c80319c", s.Trace)
	}
	require.ElementsMatch(t, []string{"GET /api/admin/status", "DELETE /api/admin/tokens/:id", "GET /api/admin/connectors"}, names)
	span, _ := telemetrytest.FindSpan(collector.Spans(), "GET /api/admin/status")
	require.Equal(t, "200", span.Attributes["http.response.status_code"])
	require.Equal(t, ok.Header().Get("X-Request-Id"), span.Attributes["zerotrust.request_id"])
	require.Equal(t, 1, e.Logs.FilterField(zap.String("trace_id", span.Trace)).FilterMessage("admin request").Len())
	require.NotContains(t, string(collector.Raw()), pasted)
}
