package app

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// What each metric means is in docs/metrics.md.

const streamControl = "control"

func exportConnections(r *metrics.Registry, tunnelers, health *sourcelimit.Listener) {
	r.Connections("tunnelers", tunnelers)
	r.Connections("health", health)
}

func countEvents(r *metrics.Registry) relay.Events {
	return relay.Events{
		SessionRefused: r.Events(metrics.ByLabel{
			Name: "sessions_refused_total", Help: "Sessions that the policy did not admit, by reason.",
			Label: "reason", Values: relay.RefusalReasons(),
		}).Add,
		SessionEnded: r.Events(metrics.ByLabel{
			Name: "sessions_ended_total", Help: "Sessions that were admitted and have ended, by reason.",
			Label: "reason", Values: relay.EndReasons(),
		}).Add,
		ControlEnded: r.Reconnects(streamControl),
	}
}

func exportRelay(r *metrics.Registry, status func() relay.Status) {
	r.Gauge("sessions", "Sessions between tunnelers and connectors.", nil, func() float64 { return float64(status().Sessions) })
	r.Connected(streamControl, func() bool { return status().ControlUp })
	r.Gauge("policy_revision", "Revision of the policy in use.", nil, func() float64 { return float64(status().PolicyRevision) })
	r.Time("policy_confirmed_timestamp_seconds", "When a controller last confirmed the policy, in seconds since 1970.", nil,
		func() time.Time { return status().PolicyConfirmed })
	r.Gauge("audit_refused", "1 while the controller's audit log does not extend the witnessed one.", nil, func() float64 {
		if status().AuditRefused {
			return 1
		}
		return 0
	})
	r.Gauge("timeline", "Timeline of the controller that is followed, 0 while none is.", nil, func() float64 { return float64(status().Timeline) })
	r.Gauge("timeline_stopped", "1 while two statements for one timeline stop this program.", nil, func() float64 {
		if status().TimelineStopped {
			return 1
		}
		return 0
	})
	r.Gauge("audit_witnessed_records", "Records of the controller's audit log that were witnessed.", nil,
		func() float64 { return float64(status().AuditWitnessed) })
	r.Reproofs(metrics.LinkControl, func() reproof.Status { return status().ControlReproofs })
	r.Reproofs(metrics.LinkSession, func() reproof.Status { return status().SessionReproofs })
}
