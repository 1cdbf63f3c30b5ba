package metrics

import (
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
)

// prefix is that of all our names.
const prefix = "zerotrust_"

// other is the label value of what has no value of its own.
const other = "other"

// scrapeTimeout bounds one scrape; Prometheus itself gives up after 10 s.
const scrapeTimeout = 5 * time.Second

// Registry is the set of metrics of one program.
type Registry struct {
	reg *prometheus.Registry
}

// Labels are label values that are fixed for a metric.
type Labels map[string]string

// New returns a registry with the metrics of the Go runtime, of the process and of
// the build.
func New(version string) *Registry {
	r := &Registry{reg: prometheus.NewRegistry()}
	r.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.Gauge("build_info", "The running build; always 1.", Labels{"version": version}, func() float64 { return 1 })
	return r
}

// Handler answers a scrape.
func (r *Registry) Handler(log *zap.Logger) http.Handler {
	return promhttp.HandlerFor(r.reg, promhttp.HandlerOpts{
		ErrorLog: zap.NewStdLog(log), MaxRequestsInFlight: 4, Timeout: scrapeTimeout,
		DisableCompression: true, // a megabyte of memory, to spare a loopback a few kilobytes
	})
}

// Gather returns all metrics at this moment.
func (r *Registry) Gather() ([]*dto.MetricFamily, error) { return r.reg.Gather() }

// Counter exports a count that somebody else keeps. read is called by each scrape.
func (r *Registry) Counter(name, help string, l Labels, read func() uint64) {
	r.reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: prefix + name, Help: help, ConstLabels: prometheus.Labels(l)},
		func() float64 { return float64(read()) }))
}

// Count returns the Add of a counter without a label.
func (r *Registry) Count(name, help string) func() {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	r.reg.MustRegister(c)
	return c.Inc
}

// Gauge exports a value that somebody else knows. read is called by each scrape.
func (r *Registry) Gauge(name, help string, l Labels, read func() float64) {
	r.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help, ConstLabels: prometheus.Labels(l)}, read))
}

// Time is a Gauge of a moment, in seconds since 1970; the zero time is 0.
func (r *Registry) Time(name, help string, l Labels, read func() time.Time) {
	r.Gauge(name, help, l, func() float64 { return unix(read()) })
}

// unix is t in seconds, to the millisecond.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// truth is a condition as a gauge.
func truth(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}

// ByLabel describes a metric by one label with the given values, and others that
// are fixed.
type ByLabel struct {
	Name, Help string
	Fixed      Labels
	Label      string
	Values     []string
}

func (s ByLabel) value(v string) string {
	if slices.Contains(s.Values, v) {
		return v
	}
	return other
}

// Events is a counter by one label.
type Events struct {
	by  ByLabel
	vec *prometheus.CounterVec
}

// Events returns a counter of which each value is 0.
func (r *Registry) Events(s ByLabel) *Events {
	e := &Events{s, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: prefix + s.Name, Help: s.Help, ConstLabels: prometheus.Labels(s.Fixed),
	}, []string{s.Label})}
	r.reg.MustRegister(e.vec)
	for _, v := range s.Values {
		e.vec.WithLabelValues(v)
	}
	return e
}

// Add counts one event.
func (e *Events) Add(value string) { e.vec.WithLabelValues(e.by.value(value)).Inc() }

// Durations is a histogram by one label, in seconds.
type Durations struct {
	by  ByLabel
	vec *prometheus.HistogramVec
}

// Durations returns a histogram with these upper bounds, in seconds.
func (r *Registry) Durations(s ByLabel, bounds ...float64) *Durations {
	d := &Durations{s, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: prefix + s.Name, Help: s.Help, ConstLabels: prometheus.Labels(s.Fixed), Buckets: bounds,
	}, []string{s.Label})}
	r.reg.MustRegister(d.vec)
	for _, v := range s.Values {
		d.vec.WithLabelValues(v)
	}
	return d
}

// Duration returns the Observe of a histogram without a label.
func (r *Registry) Duration(name, help string, bounds ...float64) func(took time.Duration) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: bounds})
	r.reg.MustRegister(h)
	return func(took time.Duration) { h.Observe(took.Seconds()) }
}

// Observe takes one duration.
func (d *Durations) Observe(value string, took time.Duration) {
	d.vec.WithLabelValues(d.by.value(value)).Observe(took.Seconds())
}
