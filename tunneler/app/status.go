package app

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// describe adds what a running tunneler knows, to /readyz and to /status.
func describe(p *hostprogram.Program, source *mtls.Source, watcher *directory.Watcher, sessions *session.Manager) {
	checks := p.Health.Checks()
	checks.Explain(checkDirectory, watcher.Explain)
	checks.Explain(checkSession, sessions.Explain)
	p.Status.Fill(func(d *hostprogram.Document) {
		st := watcher.Status()
		d.Identity(source)
		d.Controller = hostprogram.LinkOf(st.Control)
		if st.Revision > 0 {
			d.Directory = &hostprogram.Directory{Revision: st.Revision, FromDisk: !st.Live}
		}
		for _, s := range sessions.Sessions(time.Time{}) {
			d.Sessions = append(d.Sessions, hostprogram.Session{
				Peer: s.ConnectorID, Connected: s.Connected, Address: s.Address, Since: s.Since.UTC(), Failure: s.Failure, AnsweredAt: s.Answered.UTC(),
				Network: s.Network, Reason: s.Why,
			})
		}
	})
}
