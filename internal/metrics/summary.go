package metrics

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// quantiles of a summary over things that exist now. The last is the oldest of
// them: one late member of thousands moves nothing else.
var quantiles = [...]float64{0.5, 0.9, 0.99, 1}

// summary is one over the ages of the things that exist at the moment of a scrape,
// which it sorts. There is one series a quantile, however many things there are.
func summary(desc *prometheus.Desc, all []time.Duration, labels ...string) prometheus.Metric {
	slices.Sort(all)
	var sum float64
	for _, d := range all {
		sum += d.Seconds()
	}
	out := make(map[float64]float64, len(quantiles))
	for _, q := range quantiles {
		out[q] = math.NaN() // as a summary without observations
		if n := len(all); n > 0 {
			out[q] = all[max(0, int(math.Ceil(q*float64(n)))-1)].Seconds() // nearest rank
		}
	}
	return prometheus.MustNewConstSummary(desc, uint64(len(all)), sum, out, labels...)
}
