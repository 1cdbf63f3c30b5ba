package app

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// describe adds what a running connector knows, to /readyz and to /status.
func describe(p *hostprogram.Program, source *mtls.Source, r *relay.Relay) {
	checks, says := p.Health.Checks(), r.Explain()
	checks.Explain(checkControl, says.Control)
	checks.Explain(checkPolicy, says.Policy)
	checks.Explain(checkListener, says.Listener)
	checks.Explain(checkAudit, says.Audit)
	p.Status.Fill(func(d *hostprogram.Document) {
		st := r.Status()
		d.Identity(source)
		d.Controller = hostprogram.LinkOf(st.Control)
		d.Controller.HeartbeatAt = st.Heartbeat.UTC()
		if st.PolicyRevision > 0 {
			d.Policy = &hostprogram.Policy{
				Revision: st.PolicyRevision, ConfirmedAt: st.PolicyConfirmed.UTC(), UsableUntil: st.PolicyUntil.UTC(),
				MaxAgeSeconds: int64(st.PolicyAge / time.Second),
			}
			d.Outage.WithoutController = st.PolicyUntil.UTC()
		}
		for _, s := range r.Sessions() {
			d.Sessions = append(d.Sessions, hostprogram.Session{Peer: s.TunnelerID, Connected: true, Address: s.Socket, Since: s.StartedAt.UTC()})
		}
	})
}
