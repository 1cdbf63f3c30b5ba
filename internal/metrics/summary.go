package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// quantiles of a summary over things that exist now. The last is the oldest of
// them: one late member of thousands moves nothing else.
var quantiles = [...]float64{0.5, 0.9, 0.99, 1}

// Quantiles are those of all summaries.
func Quantiles() []float64 { return quantiles[:] }

// summaryOf is one over n things that exist at the moment of a scrape, whose ages at
// Quantiles are known; at is empty if there are none. There is one series a quantile,
// however many things there are.
func summaryOf(desc *prometheus.Desc, n int, sum time.Duration, at []time.Duration, labels ...string) prometheus.Metric {
	out := make(map[float64]float64, len(quantiles))
	for i, q := range quantiles {
		out[q] = math.NaN() // as a summary without observations
		if i < len(at) {
			out[q] = at[i].Seconds()
		}
	}
	return prometheus.MustNewConstSummary(desc, uint64(n), sum.Seconds(), out, labels...) //nolint:gosec // a number of things
}
