package app_test

import (
	"testing"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/app"
)

func TestMetricsAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	r := metrics.New("1")
	app.ExportAll(r)
	telemetrytest.Documented(t, "tunneler", telemetrytest.GatherMetrics(t, r))
}
