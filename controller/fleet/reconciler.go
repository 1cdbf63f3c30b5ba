package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// reconcileEvery is how soon drift between the store and SPIRE is repaired when
// nobody kicked.
const reconcileEvery = 30 * time.Second

// banHolds is how long a ban is re-read: an attestation that was in flight when
// the agent was banned can undo it.
const banHolds = 5 * time.Second

// ReconcilerConfig configures NewReconciler.
type ReconcilerConfig struct {
	TrustDomain spiffeid.TrustDomain
	Store       Store
	SPIRE       SPIRE
	SVIDTTL     map[identity.Kind]time.Duration
	// Own are entries that always exist: the controller's.
	Own []Entry
	Log *zap.Logger
	// Result is told how each pass ended, for readiness.
	Result func(error)
}

// Reconciler makes SPIRE's registration entries and bans equal to the store: at
// start, after every change and every 30 s.
type Reconciler struct {
	cfg  ReconcilerConfig
	kick chan struct{}
}

// NewReconciler returns a Reconciler.
func NewReconciler(cfg ReconcilerConfig) *Reconciler {
	return &Reconciler{cfg: cfg, kick: make(chan struct{}, 1)}
}

// Kick asks for a pass now. It never blocks.
func (r *Reconciler) Kick() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// Run reconciles until ctx ends. A pass that fails is repeated after a second;
// one that banned an agent is repeated each second until the ban has held.
func (r *Reconciler) Run(ctx context.Context) error {
	var watchUntil time.Time
	var differs logging.Condition
	for {
		banned, err := r.Pass(ctx)
		if ctx.Err() == nil {
			r.cfg.Result(err)
		}
		if err == nil {
			differs.Over(r.cfg.Log, "spire matches the store again")
		}
		if banned > 0 {
			watchUntil = time.Now().Add(banHolds)
		}
		wait := reconcileEvery
		if err != nil && ctx.Err() == nil {
			differs.Fails(r.cfg.Log, zap.WarnLevel, "spire differs from the store, retrying", err)
			wait = time.Second
		} else if time.Now().Before(watchUntil) {
			wait = time.Second
		}
		select {
		case <-time.After(wait):
		case <-r.kick:
		case <-ctx.Done():
			return nil
		}
	}
}

// Pass makes SPIRE equal to the store once, and reports how many agents it banned.
func (r *Reconciler) Pass(ctx context.Context) (banned int, err error) {
	// SPIRE is read before the store. Enrollment commits to the store before it
	// writes the entry, so an entry read here that the store does not want has
	// really been revoked; in the other order a new one could be deleted.
	have, listErr := r.cfg.SPIRE.Entries(ctx)
	hosts, err := r.cfg.Store.Hosts(ctx)
	if err != nil {
		return 0, err
	}
	// Bans before entries: what a thief can still do is what counts.
	banned, banErr := r.ban(ctx, hosts)
	if listErr != nil {
		return banned, errors.Join(banErr, fmt.Errorf("list entries: %w", listErr))
	}
	return banned, errors.Join(banErr, r.entries(ctx, have, hosts))
}

func (r *Reconciler) ban(ctx context.Context, hosts []Host) (int, error) {
	revoked := map[spiffeid.ID]identity.HostID{}
	for _, h := range hosts {
		if !h.RevokedAt.IsZero() {
			revoked[h.AgentID] = h.ID
		}
	}
	if len(revoked) == 0 {
		return 0, nil
	}
	agents, err := r.cfg.SPIRE.Agents(ctx)
	if err != nil {
		return 0, fmt.Errorf("list agents: %w", err)
	}
	n := 0
	var faults []error
	for _, a := range agents {
		host, ours := revoked[a.ID]
		if !ours || a.Banned {
			continue
		}
		if err := r.cfg.SPIRE.BanAgent(ctx, a.ID); err != nil && !errors.Is(err, ErrNotFound) {
			faults = append(faults, fmt.Errorf("ban agent of host %s: %w", host, err))
			continue
		}
		n++
		r.cfg.Log.Info("agent banned", zap.String("host_id", string(host)), zap.Stringer("agent_id", a.ID))
	}
	return n, errors.Join(faults...)
}

func (r *Reconciler) entries(ctx context.Context, have []Entry, hosts []Host) error {
	want, err := r.desired(ctx, hosts)
	if err != nil {
		return err
	}
	var faults []error
	for _, e := range have {
		w, wanted := want[e.ID]
		if wanted && equalEntries(w, e) {
			delete(want, e.ID)
		}
		if wanted {
			continue
		}
		if err := r.cfg.SPIRE.DeleteEntry(ctx, e.ID); err != nil {
			faults = append(faults, fmt.Errorf("delete entry %s: %w", e.ID, err))
			continue
		}
		r.cfg.Log.Info("registration entry deleted", zap.String("entry_id", e.ID), zap.Stringer("spiffe_id", e.SPIFFEID))
	}
	for _, e := range want {
		if err := r.cfg.SPIRE.PutEntry(ctx, e); err != nil {
			faults = append(faults, fmt.Errorf("put entry %s: %w", e.ID, err))
			continue
		}
		// Not its parent: the id of an ephemeral host's agent is a secret until it attests.
		r.cfg.Log.Info("registration entry written", zap.String("entry_id", e.ID), zap.Stringer("spiffe_id", e.SPIFFEID))
	}
	return errors.Join(faults...)
}

func (r *Reconciler) desired(ctx context.Context, hosts []Host) (map[string]Entry, error) {
	byID := make(map[identity.HostID]Host, len(hosts))
	for _, h := range hosts {
		byID[h.ID] = h
	}
	connectors, err := r.cfg.Store.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	tunnelers, err := r.cfg.Store.Tunnelers(ctx)
	if err != nil {
		return nil, err
	}
	want := make(map[string]Entry, len(connectors)+len(tunnelers)+len(r.cfg.Own))
	add := func(m Member) error {
		h, ok := byID[m.HostID]
		if !m.Live() || !ok || !h.RevokedAt.IsZero() || h.AgentID.IsZero() {
			return nil
		}
		e, err := EntryFor(m, h, r.cfg.TrustDomain, r.cfg.SVIDTTL)
		want[e.ID] = e
		return err
	}
	for _, c := range connectors {
		if err := add(c.Member); err != nil {
			return nil, err
		}
	}
	for _, t := range tunnelers {
		if err := add(t.Member); err != nil {
			return nil, err
		}
	}
	for _, e := range r.cfg.Own {
		want[e.ID] = e
	}
	return want, nil
}

func equalEntries(a, b Entry) bool {
	return a.SPIFFEID == b.SPIFFEID && a.ParentID == b.ParentID && a.X509SVIDTTL == b.X509SVIDTTL && a.DNSName == b.DNSName &&
		slices.Equal(sorted(a.Selectors), sorted(b.Selectors))
}

func sorted(in []Selector) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		out = append(out, s.String())
	}
	slices.Sort(out)
	return out
}
