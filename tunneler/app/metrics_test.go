package app_test

import (
	"testing"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics/metricstest"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/app"
)

func TestMetricsAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	r := metrics.New("1")
	app.ExportAll(r)
	metricstest.Documented(t, "tunneler", metricstest.Gather(t, r))
}
