package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Fleet is what a controller knows of its members at one moment.
type Fleet struct {
	// Kinds are the numbers of connectors and of tunnelers, by kind.
	Kinds map[string]Members
	// Sessions of tunnelers at connectors.
	Sessions int
	// PolicyLag is by how many revisions the slowest ONLINE connector is behind.
	PolicyLag float64
}

// Members are the numbers of one kind.
type Members struct {
	Enrolled int
	Online   int
	// AgeSum are the times since the last heartbeat of the ONLINE ones together, AgeAt
	// those at Quantiles; empty if nobody is ONLINE.
	AgeSum time.Duration
	AgeAt  []time.Duration
}

// fleet is one collector, so that a scrape counts the members once.
type fleet struct {
	read                                 func() Fleet
	enrolled, online, age, sessions, lag *prometheus.Desc
}

// Fleet exports the numbers of a fleet. read is called once by each scrape.
func (r *Registry) Fleet(read func() Fleet) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, labels, nil)
	}
	r.reg.MustRegister(&fleet{
		read:     read,
		enrolled: desc("members_enrolled", "Members that are enrolled and not revoked.", "kind"),
		online:   desc("members_online", "Members that are ONLINE.", "kind"),
		age:      desc("heartbeat_age_seconds", "Time since the last heartbeat of the ONLINE members, to a tenth of a second; quantile 1 is the longest.", "kind"),
		sessions: desc("sessions", "Sessions between tunnelers and connectors."),
		lag:      desc("policy_lag_revisions", "Revisions by which the slowest ONLINE connector is behind."),
	})
}

// Describe implements prometheus.Collector.
func (f *fleet) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.enrolled, f.online, f.age, f.sessions, f.lag} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f *fleet) Collect(ch chan<- prometheus.Metric) {
	now := f.read()
	gauge := func(d *prometheus.Desc, x float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, x, labels...)
	}
	for kind, m := range now.Kinds {
		gauge(f.enrolled, float64(m.Enrolled), kind)
		gauge(f.online, float64(m.Online), kind)
		ch <- summaryOf(f.age, m.Online, m.AgeSum, m.AgeAt, kind)
	}
	gauge(f.sessions, float64(now.Sessions))
	gauge(f.lag, now.PolicyLag)
}
