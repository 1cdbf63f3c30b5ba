package app_test

import (
	"testing"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
)

func TestMetricsAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	r := metrics.New("1")
	app.ExportAll(r)
	telemetrytest.Documented(t, "connector", telemetrytest.GatherMetrics(t, r))
}
