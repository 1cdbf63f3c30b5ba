package metrics

import "github.com/prometheus/client_golang/prometheus"

// gauges is a gauge by one label whose values are all read at once.
type gauges struct {
	by   ByLabel
	desc *prometheus.Desc
	read func(set func(value string, x float64))
}

// Gauges exports one value for each of s.Values, 0 unless read sets another. read
// is called once by each scrape.
func (r *Registry) Gauges(s ByLabel, read func(set func(value string, x float64))) {
	r.reg.MustRegister(&gauges{s, prometheus.NewDesc(prefix+s.Name, s.Help, []string{s.Label}, prometheus.Labels(s.Fixed)), read})
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	now := make(map[string]float64, len(g.by.Values))
	for _, v := range g.by.Values {
		now[v] = 0
	}
	g.read(func(value string, x float64) { now[g.by.value(value)] = x })
	for value, x := range now {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, x, value)
	}
}
