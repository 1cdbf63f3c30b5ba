package app

import (
	"sync/atomic"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/listen"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// What each metric means is in docs/metrics.md.

// The streams of a tunneler.
const (
	streamDirectory = "directory"
	streamSession   = "session"
)

func export(r *metrics.Registry, d func() directory.Status, s func() session.Status) {
	r.Connected(streamDirectory, func() bool { return d().Connected })
	r.Gauge("policy_revision", "Revision of the policy in use.", nil, func() float64 { return float64(d().Revision) })
	r.Gauge("timeline", "Timeline of the controller that is followed, 0 while none is.", nil, func() float64 { return float64(d().Timeline) })
	r.Gauge("timeline_stopped", "1 while two statements for one timeline stop this program.", nil, func() float64 {
		if d().TimelineStopped {
			return 1
		}
		return 0
	})
	r.Gauge("sessions", "Sessions between tunnelers and connectors.", nil, func() float64 { return float64(s().Open) })
	r.Gauge("sessions_wanted", "Connectors to keep a session with, at most two of each network.", nil, func() float64 { return float64(s().Wanted) })
	r.Reproofs(metrics.LinkControl, func() reproof.Status { return d().Reproofs })
	r.Reproofs(metrics.LinkSession, func() reproof.Status { return s().Reproofs })
}

// flowMetrics count what programs of this host asked for.
func flowMetrics(r *metrics.Registry) func(listen.Outcome) {
	results := r.Events(metrics.ByLabel{
		Name: "local_connections_total", Help: "Connections of programs of this host, by what became of them.", Label: "result", Values: listen.Results(),
	})
	var up, down atomic.Uint64
	r.Counter("flow_bytes_total", "Bytes that ended flows have carried.", metrics.Labels{"direction": "up"}, up.Load)
	r.Counter("flow_bytes_total", "Bytes that ended flows have carried.", metrics.Labels{"direction": "down"}, down.Load)
	return func(o listen.Outcome) {
		results.Add(o.Result())
		up.Add(uint64(max(0, o.Up)))
		down.Add(uint64(max(0, o.Down)))
	}
}
