package app

import (
	"context"
	"crypto/tls"
	"path/filepath"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// reloadTimeout bounds a restart of spire-server.
const reloadTimeout = 30 * time.Second

// newAnchors makes the driver of the replacement of the bootstrap CA.
func (c *core) newAnchors(now func() time.Time) *anchors.Manager {
	cfg := anchors.Config{
		CA: c.ca, File: filepath.Join(c.paths.bootstrap(), "replacement.json"), Hosts: c.certifiedHosts, Own: c.ownCertificate,
		Audit: func(ctx context.Context, e audit.Event) error { return c.audit.Record(ctx, c.store, e) },
		Log:   c.log.Named("bootstrapca"), Now: now,
	}
	if restart := c.restartSPIRE; restart != nil {
		cfg.Reload = func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
			defer cancel()
			return restart(ctx)
		}
	}
	return anchors.New(cfg)
}

// certifiedHosts are the hosts that have a certificate and are not revoked.
func (c *core) certifiedHosts(ctx context.Context) ([]anchors.Host, error) {
	hosts, err := c.fleet.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	members := map[identity.HostID][]string{}
	online := map[identity.HostID]bool{}
	add := func(w identity.Workload, host identity.HostID) {
		members[host] = append(members[host], w.String())
		online[host] = online[host] || len(c.roster.PeersOf(w)) > 0
	}
	connectors, err := c.fleet.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range connectors {
		if m.Live() {
			add(m.Workload, m.HostID)
		}
	}
	tunnelers, err := c.fleet.Tunnelers(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range tunnelers {
		if m.Live() {
			add(m.Workload, m.HostID)
		}
	}
	var out []anchors.Host
	for _, h := range hosts {
		if h.RevokedAt.IsZero() && !h.Ephemeral {
			out = append(out, anchors.Host{ID: h.ID, Name: strings.Join(members[h.ID], ", "), Online: online[h.ID]})
		}
	}
	return out, nil
}

// ownCertificate is why the controller's own agent still needs the former CA.
func (f *foundation) ownCertificate() string {
	dir := hostagent.Dir{Root: f.paths.host()}
	pair, err := tls.LoadX509KeyPair(dir.Certificate(), dir.Key())
	if err != nil {
		return err.Error()
	}
	if pair.Leaf.CheckSignatureFrom(f.ca.Certificate()) != nil {
		return "its own agent has not renewed its certificate yet"
	}
	return ""
}
