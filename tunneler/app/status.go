package app

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hoststatus"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/config"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// publish serves what is known before there is an identity.
func publish(server *health.Server, cfg config.Config) *hoststatus.Publisher {
	return hoststatus.Publish(server, hoststatus.Document{
		Program: program, Version: cli.Version().Version, ID: cfg.TunnelerID, SPIFFEID: cfg.SPIFFEID(), StateDir: cfg.StateDir,
	})
}

// describe adds what a running tunneler knows, to /readyz and to /status.
func describe(to surroundings, source *mtls.Source, watcher *directory.Watcher, sessions *session.Manager) {
	checks := to.health.Checks()
	checks.Explain(checkIdentity, source.Explain)
	checks.Explain(checkDirectory, watcher.Explain)
	checks.Explain(checkSession, sessions.Explain)
	to.status.Fill(func(d *hoststatus.Document) {
		st := watcher.Status()
		d.Identity(source)
		d.Controller = hoststatus.LinkOf(st.Control)
		if st.Revision > 0 {
			d.Directory = &hoststatus.Directory{Revision: st.Revision, FromDisk: !st.Live}
		}
		for _, s := range sessions.Sessions(time.Time{}) {
			d.Sessions = append(d.Sessions, hoststatus.Session{
				Peer: s.ConnectorID, Connected: s.Connected, Address: s.Address, Since: s.Since.UTC(), Failure: s.Failure, AnsweredAt: s.Answered.UTC(),
				Network: s.Network, Reason: s.Why,
			})
		}
	})
}
