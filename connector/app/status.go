package app

import (
	"net"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/config"
	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hoststatus"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// publish serves what is known before there is an identity.
func publish(server *health.Server, cfg config.Config, listen net.Addr) *hoststatus.Publisher {
	return hoststatus.Publish(server, hoststatus.Document{
		Program: program, Version: cli.Version().Version, ID: cfg.ConnectorID, SPIFFEID: cfg.SPIFFEID(), Listen: listen.String(), StateDir: cfg.StateDir,
	})
}

// describe adds what a running connector knows, to /readyz and to /status.
func describe(to surroundings, source *mtls.Source, r *relay.Relay) {
	checks, says := to.health.Checks(), r.Explain()
	checks.Explain(checkIdentity, source.Explain)
	checks.Explain(checkControl, says.Control)
	checks.Explain(checkPolicy, says.Policy)
	checks.Explain(checkListener, says.Listener)
	checks.Explain(checkAudit, says.Audit)
	to.status.Fill(func(d *hoststatus.Document) {
		st := r.Status()
		d.Identity(source)
		d.Controller = hoststatus.LinkOf(st.Control)
		d.Controller.HeartbeatAt = st.Heartbeat.UTC()
		if st.PolicyRevision > 0 {
			d.Policy = &hoststatus.Policy{
				Revision: st.PolicyRevision, ConfirmedAt: st.PolicyConfirmed.UTC(), UsableUntil: st.PolicyUntil.UTC(),
				MaxAgeSeconds: int64(st.PolicyAge / time.Second),
			}
			d.Outage.WithoutController = st.PolicyUntil.UTC()
		}
		for _, s := range r.Sessions() {
			d.Sessions = append(d.Sessions, hoststatus.Session{Peer: s.TunnelerID, Connected: true, Address: s.Socket, Since: s.StartedAt.UTC()})
		}
	})
}
