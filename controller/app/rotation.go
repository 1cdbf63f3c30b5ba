package app

import (
	"context"
	"errors"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
)

// newRotation makes the driver of CA rotations; it needs the roster and SPIRE.
func (c *core) newRotation(now func() time.Time) *rotation.Manager {
	cfg := rotation.Config{
		SPIRE: server.NewAuthorities(c.spire.Conn()), Store: c.store, Members: c.fleet, Online: c.roster, Agents: c.spire,
		Self: c.asPeer, OwnAgent: c.own.ParentID, Audit: c.audit, Log: c.log.Named("rotation"), Now: now,
	}
	if c.cfg.SPIRE.Mode == config.Embedded { // an operator's SPIRE does not say
		cfg.AgentTTL = c.cfg.SPIRE.AgentTTL
	}
	return rotation.New(cfg)
}

// lastRotation says what fleet.AgentWatch asks.
func (c *core) lastRotation(ctx context.Context) (ended time.Time, unfinished bool, err error) {
	r, err := c.store.Rotation(ctx)
	if errors.Is(err, rotation.ErrNone) {
		return time.Time{}, false, nil
	}
	return r.EndedAt, r.EndedAt.IsZero(), err
}

// asPeer is the controller as its peers see it: it must trust a new authority
// before anybody uses it, and must not use the old one when it goes.
func (i *identified) asPeer() presence.Peer {
	st := i.source.Status()
	return presence.Peer{
		Workload: identity.Workload{Kind: identity.KindController, ID: i.cfg.ControllerID},
		SVID:     presence.SVID{Serial: st.Serial, AuthorityID: st.AuthorityID, NotAfter: st.NotAfter},
		Trusts:   i.source.AuthorityIDs(),
	}
}

// outageBudget is how long sessions continue when controller and SPIRE are gone.
func outageBudget(cfg config.Config) adminapi.OutageBudget {
	ttl := cfg.SVIDTTL
	out := adminapi.OutageBudget{PolicyAge: health.Span(cfg.PolicyAge)}
	for _, k := range []struct {
		kind identity.Kind
		ttl  time.Duration
	}{{identity.KindController, ttl.Controller}, {identity.KindConnector, ttl.Connector}, {identity.KindTunneler, ttl.Tunneler}} {
		out.Identity = append(out.Identity, adminapi.IdentityBudget{
			Kind: string(k.kind), Least: health.Span(least(k.ttl)), Most: health.Span(most(k.ttl)),
		})
	}
	return out
}
