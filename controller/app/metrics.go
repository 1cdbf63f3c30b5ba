package app

import (
	"crypto/x509"
	"math"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/install"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// What each metric means is in docs/metrics.md.

func storeLatency(r *metrics.Registry) func(operation string, took time.Duration) {
	return r.Durations(metrics.ByLabel{
		Name: "store_seconds", Help: "Duration of database operations, by operation.", Label: "operation", Values: store.Operations(),
	}, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5).Observe
}

func streamsOpened(r *metrics.Registry) func() {
	return r.Count("control_streams_total", "Control streams of connectors that were opened.")
}

// exportExports has 0 for a sink that is not configured.
func exportExports(r *metrics.Registry, states func() []export.State) {
	r.Gauges(metrics.ByLabel{
		Name: "audit_export_waiting_seconds", Help: "Age of the oldest event that this receiver of the audit log has not accepted; 0 if it has accepted all.",
		Label: "sink", Values: []string{sinkFile, sinkStdout, sinkSyslog, sinkWebhook},
	}, func(set func(sink string, seconds float64)) {
		for _, s := range states() {
			waited := 0.0
			if !s.WaitingSince.IsZero() {
				waited = time.Since(s.WaitingSince).Seconds()
			}
			set(s.Sink, waited)
		}
	})
}

func exportKeeper(r *metrics.Registry, state func() audit.KeeperState) {
	for of, read := range map[string]func(audit.KeeperState) uint64{
		"events":   func(s audit.KeeperState) uint64 { return s.Events },
		"renewals": func(s audit.KeeperState) uint64 { return s.Renewals },
	} {
		r.Counter("audit_removed_total", "Events and renewals of SVIDs that retention has removed.", metrics.Labels{"of": of}, func() uint64 { return read(state()) })
	}
	r.Time("audit_oldest_event_timestamp_seconds", "When the oldest event happened that is still there.", nil, func() time.Time { return state().Oldest })
	r.Gauge("audit_retention_failing", "1 while the audit log is not anchored and pruned.", nil, func() float64 {
		if state().Failing {
			return 1
		}
		return 0
	})
}

func exportConnections(r *metrics.Registry, listeners map[string]*sourcelimit.Listener) {
	for name, l := range listeners {
		r.Connections(name, l)
	}
}

func enrollResults(r *metrics.Registry) func(result string) {
	return r.Events(metrics.ByLabel{
		Name: "enroll_total", Help: "Attempts to enroll by result; a result that is a reason was a refusal.",
		Label: "result", Values: control.EnrollResults(),
	}).Add
}

func denialsReturned(r *metrics.Registry) func(result string, n int) {
	count := r.Events(metrics.ByLabel{
		Name: "denials_returned_total", Help: "Revocations that connectors kept and gave back, by result; those that this controller did not sign are refused.",
		Label: "result", Values: control.ReturnResults(),
	})
	return func(result string, n int) {
		for range n {
			count.Add(result)
		}
	}
}

func installResults(r *metrics.Registry) func(result string) {
	return r.Events(metrics.ByLabel{
		Name: "install_requests_total", Help: "HTTP requests at the enrollment listener by result.", Label: "result", Values: install.Results(),
	}).Add
}

// measureRevocations is given each policy by its Run. The buckets surround what is
// promised: p99 within 100 ms.
func measureRevocations(r *metrics.Registry) *policy.Propagation {
	latency := r.Duration("revocation_seconds", "From a revocation in the store until a connected connector has applied it.",
		0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
	return policy.NewPropagation(time.Now, latency)
}

// attending is the roster, and also passes to the propagation of a policy what connectors
// say of it.
type attending struct {
	*presence.Roster

	propagation *policy.Propagation
	policy      interface{ Current() *policy.Snapshot }
	opened      func()
}

// ConnectorUp hides that of presence.Roster.
func (a attending) ConnectorUp(who presence.Arrival, remoteAddr string, svid presence.SVID) (stream uint64) {
	stream = a.Roster.ConnectorUp(who, remoteAddr, svid)
	a.propagation.Up(who.ID, stream)
	a.opened()
	return stream
}

// ConnectorBeat hides that of presence.Roster.
func (a attending) ConnectorBeat(id string, stream uint64, svid presence.SVID, revision uint64) {
	a.Roster.ConnectorBeat(id, stream, svid, revision)
	if revision <= a.policy.Current().Revision { // what was never published was not applied
		a.propagation.Applied(id, stream, revision)
	}
}

// ConnectorDown hides that of presence.Roster.
func (a attending) ConnectorDown(id string, stream uint64) {
	a.Roster.ConnectorDown(id, stream)
	a.propagation.Down(id, stream)
}

// scraped is what a scrape of the controller looks at.
type scraped struct {
	Policy interface{ Current() *policy.Snapshot }
	Roster interface {
		Headcount(quantiles ...float64) presence.Headcount
	}
	// Reproofs of the control listener.
	Reproofs func() reproof.Status
	// Unproven counts the refused proofs that members report.
	Unproven func() (control, session uint64)
	Store    alertSource
	// Anchors of the bootstrap CA; the first one signs.
	Anchors func() []*x509.Certificate
}

func exportDomain(r *metrics.Registry, d scraped) {
	r.Fleet(func() metrics.Fleet { return numbers(d.Policy.Current(), d.Roster.Headcount(metrics.Quantiles()...)) })
	r.Gauge("policy_revision", "Revision of the policy in use.", nil, func() float64 { return float64(d.Policy.Current().Revision) })
	r.Gauge("bootstrap_ca_not_after_timestamp_seconds", "When the bootstrap CA that signs expires.", nil, func() float64 {
		if all := d.Anchors(); len(all) > 0 {
			return float64(all[0].NotAfter.Unix())
		}
		return math.NaN()
	})
	r.Reproofs(metrics.LinkControl, d.Reproofs)
	for link, read := range map[string]func() uint64{
		metrics.LinkControl: func() uint64 { n, _ := d.Unproven(); return n },
		metrics.LinkSession: func() uint64 { _, n := d.Unproven(); return n },
	} {
		r.Counter("reproofs_reported_total", "Proofs of peers that members refused, as the members report.", metrics.Labels{"link": link}, read)
	}
	exportAlerts(r, d.Store)
}

func numbers(s *policy.Snapshot, h presence.Headcount) metrics.Fleet {
	return metrics.Fleet{
		Kinds: map[string]metrics.Members{
			"connector": members(s.Connectors.Len(), h.Connectors),
			"tunneler":  members(s.Tunnelers.Len(), h.Tunnelers),
		},
		Sessions: h.Sessions, PolicyLag: lag(s, h),
	}
}

func members(enrolled int, ages presence.Ages) metrics.Members {
	return metrics.Members{Enrolled: enrolled, Online: ages.Online, AgeSum: ages.Sum, AgeAt: ages.At}
}

// lag is 0 without connectors. A connector may already apply what is newer than
// the snapshot that was asked for first.
func lag(s *policy.Snapshot, h presence.Headcount) float64 {
	if h.OldestPolicy == 0 || h.OldestPolicy >= s.Revision {
		return 0
	}
	return float64(s.Revision - h.OldestPolicy)
}
