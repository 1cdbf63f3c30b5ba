package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Apply queues the members and hosts that changed, those with changelog.Revoked first;
// work takes them from the queue.
func (r reconcilerReader) Apply(_ context.Context, changes []changelog.Change) error {
	for _, c := range changes {
		switch c.Kind { //nolint:exhaustive // SPIRE has nothing else of the store
		case changelog.Connector, changelog.Tunneler, changelog.Host:
		default:
			continue
		}
		it, gone := item{c.Kind, c.ID}, c.Op == changelog.Revoked
		if gone {
			r.watch(it)
		}
		r.queue.add(it, gone)
	}
	return nil
}

// work mends one item after the other until the queue is closed.
func (r *Reconciler) work(ctx context.Context) error {
	for {
		it, ok := r.queue.take()
		if !ok {
			return nil
		}
		err := r.mend(ctx, it)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it ended for that
		}
		r.after(it, err)
		r.queue.done(it)
		r.report()
	}
}

// mend makes SPIRE equal to the store in one thing. SPIRE is read before the store:
// enrollment commits to the store before it writes the entry, so an entry read here that
// the store does not want has really been revoked. In the other order the entry of a new
// member could be deleted.
func (r *Reconciler) mend(ctx context.Context, it item) error {
	switch it.kind { //nolint:exhaustive // nothing else is queued
	case changelog.Host:
		return r.mendHost(ctx, identity.HostID(it.id))
	case ofEntry:
		return r.mendEntry(ctx, it.id)
	default:
		return r.mendMember(ctx, identity.Workload{Kind: identity.Kind(it.kind), ID: it.id})
	}
}

// mendMember leaves the member with the one entry that it should have. There may be
// others of its SPIFFE ID: those of the hosts where it was before.
func (r *Reconciler) mendMember(ctx context.Context, w identity.Workload) error {
	id, err := w.SPIFFEID(r.cfg.TrustDomain)
	if err != nil {
		return err
	}
	have, err := r.cfg.SPIRE.EntriesOf(ctx, id)
	if err != nil {
		return err
	}
	want, wanted, err := r.wantedOf(ctx, w)
	if err != nil {
		return err
	}
	var faults []error
	for _, e := range have {
		switch {
		case wanted && e.ID == want.ID:
			wanted = !equalEntries(e, want)
		case r.own[e.ID].ID == "":
			faults = append(faults, r.deleteEntry(ctx, e.ID))
		}
	}
	if wanted {
		faults = append(faults, r.putEntry(ctx, want))
	}
	return errors.Join(faults...)
}

// wantedOf is the entry that SPIRE should have of a member.
func (r *Reconciler) wantedOf(ctx context.Context, w identity.Workload) (e Entry, wanted bool, err error) {
	placed, err := r.cfg.Store.PlacedByID(ctx, w.Kind, []string{w.ID})
	if err != nil || len(placed) == 0 {
		return Entry{}, false, err
	}
	return placed[0].entry(&r.cfg)
}

// mendEntry deletes an entry that no member should have. It writes only our own: an
// entry of a member is written by mendMember alone, one at a time.
func (r *Reconciler) mendEntry(ctx context.Context, id string) error {
	if own, ok := r.own[id]; ok {
		return r.putEntry(ctx, own)
	}
	if w, ok := memberOf(id); ok {
		want, wanted, err := r.wantedOf(ctx, w)
		if err != nil || wanted && want.ID == id {
			return err
		}
	}
	return r.deleteEntry(ctx, id)
}

// mendHost bans the agent of a revoked host.
func (r *Reconciler) mendHost(ctx context.Context, id identity.HostID) error {
	h, err := r.cfg.Store.HostByID(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if h.Ephemeral { // its agent's id, the parent of its members' entries, comes later
		placed, err := r.cfg.Store.PlacedOn(ctx, id)
		if err != nil {
			return err
		}
		for _, p := range placed {
			r.queue.add(itemOf(p.Member.Workload), false)
		}
	}
	if h.RevokedAt.IsZero() || h.AgentID.IsZero() {
		return nil
	}
	return r.ban(ctx, h)
}

// ban returns nil for an agent that never attested: there is nothing to ban yet. When
// it comes, the next of looks or the next comparison finds it.
func (r *Reconciler) ban(ctx context.Context, h Host) error {
	a, err := r.cfg.SPIRE.Agent(ctx, h.AgentID)
	if err == nil && !a.Banned {
		err = r.cfg.SPIRE.BanAgent(ctx, h.AgentID)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("ban agent of host %s: %w", h.ID, err)
	case !a.Banned:
		r.watch(item{changelog.Host, string(h.ID)}) // until it has held
		r.cfg.Log.Info("agent banned", zap.String("host_id", string(h.ID)), zap.Stringer("agent_id", h.AgentID))
	}
	return nil
}

func (r *Reconciler) putEntry(ctx context.Context, e Entry) error {
	if err := r.cfg.SPIRE.PutEntry(ctx, e); err != nil {
		return fmt.Errorf("put entry %s: %w", e.ID, err)
	}
	// Not its parent: the id of an ephemeral host's agent is a secret until it attests.
	r.cfg.Log.Info("registration entry written", zap.String("entry_id", e.ID), zap.Stringer("spiffe_id", e.SPIFFEID))
	return nil
}

func (r *Reconciler) deleteEntry(ctx context.Context, id string) error {
	if err := r.cfg.SPIRE.DeleteEntry(ctx, id); err != nil {
		return fmt.Errorf("delete entry %s: %w", id, err)
	}
	r.cfg.Log.Info("registration entry deleted", zap.String("entry_id", id))
	return nil
}

func itemOf(w identity.Workload) item { return item{changelog.Kind(w.Kind), w.ID} }

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
