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

// ages is a summary over the things that exist at the moment of a scrape. There is
// one series a quantile, however many things there are.
type ages struct {
	desc *prometheus.Desc
	read func() []time.Duration
}

// Ages exports how old things are, in seconds. read is called by each scrape, and
// what it returns is sorted in place.
func (r *Registry) Ages(name, help string, l Labels, read func() []time.Duration) {
	r.reg.MustRegister(&ages{prometheus.NewDesc(prefix+name, help, nil, prometheus.Labels(l)), read})
}

// Describe implements prometheus.Collector.
func (a *ages) Describe(ch chan<- *prometheus.Desc) { ch <- a.desc }

// Collect implements prometheus.Collector.
func (a *ages) Collect(ch chan<- prometheus.Metric) {
	all := a.read()
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
	ch <- prometheus.MustNewConstSummary(a.desc, uint64(len(all)), sum, out)
}
