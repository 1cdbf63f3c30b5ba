package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// core is the domain: what decides who is enrolled, who may reach whom, and what is
// recorded. It needs SPIRE and the controller's identity.
type core struct {
	*identified

	audit      *audit.Log
	auditing   *auditing
	recovery   *recovery.Keeper
	roster     *presence.Roster
	fleet      *fleet.Fleet
	policy     *policy.Publisher
	rules      *policy.Rules
	revisions  *changelog.Follower   // records revisions of the policy in the audit log
	addresses  topic.Topic[struct{}] // wakes streams when hosts reach us elsewhere
	recall     *policy.Recall
	reconciler *fleet.Reconciler
	agents     *fleet.AgentWatch
	bans       *fleet.BanWatch
	enroll     *enroll.Service
	rotation   *rotation.Manager
	anchors    *anchors.Manager
	flows      flows.Archive
}

// newCore makes the domain; nothing of it runs yet.
func newCore(i *identified, now func() time.Time) (_ *core, err error) {
	c := &core{identified: i}
	ttl := map[identity.Kind]time.Duration{
		identity.KindConnector: c.cfg.SVIDTTL.Connector, identity.KindTunneler: c.cfg.SVIDTTL.Tunneler,
	}
	checks := c.health.Checks()
	if c.auditing, err = c.newAuditing(checks, now); err != nil {
		return nil, err
	}
	c.audit = c.auditing.trail
	if c.recovery, err = recovery.Open(context.Background(), c.store, c.store, c.log.Named("recovery")); err != nil {
		return nil, err
	}
	c.roster = presence.NewRoster(now)
	c.policy = policy.NewPublisher(c.td, c.store, c.log.Named("policy"), now)
	c.rules = policy.NewRules(policy.RulesConfig{Store: c.store, TrustDomain: c.td, Audit: c.audit, Now: now})
	c.revisions = changelog.NewFollower(changelog.Config{
		Name: "revisions of the policy", Log: c.store, Now: now, Logger: c.log.Named("auditlog"),
		Reader: &revisions{store: c.store, policies: c.policy, trail: c.audit, controller: c.cfg.ControllerID},
	})
	c.recall = policy.NewRecall(policy.RecallConfig{
		Store: c.store, Policy: c.policy, Actor: "controller/" + c.cfg.ControllerID, Now: now, Log: c.log.Named("policy"),
	})
	c.reconciler = fleet.NewReconciler(fleet.ReconcilerConfig{
		TrustDomain: c.td, Changes: c.store, Store: c.store, SPIRE: c.spire, SVIDTTL: ttl, Own: []fleet.Entry{c.own}, Now: now,
		Log: c.log.Named("reconciler"), Result: func(err error) { checks.Set(checkEntries, err) },
	})
	changed := changes{c.roster}
	c.fleet = fleet.New(fleet.Config{
		Store: c.store, Roster: c.roster, Changed: changed, Audit: c.audit, Now: now,
		Clones: fleet.ClonePolicy(c.cfg.Clones), Log: c.log.Named("fleet"),
	})
	c.agents = fleet.NewAgentWatch(fleet.AgentWatchConfig{Fleet: c.fleet, SPIRE: c.spire, Rotation: c.lastRotation, Log: c.log.Named("fleet")})
	c.bans = fleet.NewBanWatch(fleet.BanWatchConfig{Store: c.store, SPIRE: c.spire, Now: now, Log: c.log.Named("fleet")})
	c.enroll = enroll.New(enroll.Config{
		TrustDomain: c.td, Store: c.store, Changes: c.store, Signer: c.ca, SPIRE: c.spire, Changed: changed, Audit: c.audit,
		Log: c.log.Named("enroll"), Now: now, SVIDTTL: ttl, EntrySettle: c.cfg.SPIRE.EntrySettle(),
	})
	c.rotation = c.newRotation(now)
	c.anchors = c.newAnchors(now)
	c.flows = flows.Archive{Store: c.store, Recorder: flows.New(flows.Config{Store: c.store, Retention: c.cfg.Flows.Retention.Of(), Now: now, Log: c.log.Named("flows")})}
	exportFlows(c.metrics, c.flows.Recorder)
	return c, nil
}

// changes notifies the roster, which does not follow the change log: it is in memory.
type changes struct{ roster *presence.Roster }

// MembersChanged implements fleet.Changed and enroll.Changed.
func (c changes) MembersChanged(revoked []fleet.Member) {
	for _, m := range revoked {
		c.roster.Forget(m.Workload)
	}
}

// beginPolicy makes the first snapshot before the first stream: whoever it does not
// name is refused.
func (c *core) beginPolicy(ctx context.Context) error {
	if err := c.store.BeginPolicy(ctx, time.Now()); err != nil {
		return fmt.Errorf("policy revision: %w", err)
	}
	if err := c.policy.Refresh(ctx); err != nil {
		return fmt.Errorf("first policy snapshot: %w", err)
	}
	return c.recall.Begin(ctx)
}
