package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// reader implements changelog.Reader: the fleet as the policy sees it, in memory. What
// it has is at least as new as its revision: the log has a revision behind all that it
// stands for, and rows are read after it.
type reader struct {
	td      spiffeid.TrustDomain
	store   Store
	now     func() time.Time
	settled func()

	denials    []fleet.Denial // by Seq; snapshots share them, so they are only appended to, or replaced
	revision   uint64
	connectors *edit[Connector]
	tunnelers  *edit[Tunneler]
	rules      *rulesEdit
	reaches    *reaches    // streams ask it, too
	revoked    []time.Time // since the last snapshot
	recent     []Revocation
}

func newReader(td spiffeid.TrustDomain, store Store, now func() time.Time, settled func()) *reader {
	return &reader{
		td: td, store: store, now: now, settled: settled,
		connectors: newEdit(Connector.equal, Connector.sum), tunnelers: newEdit(Tunneler.equal, Tunneler.sum), rules: newRulesEdit(),
		reaches: newReaches(),
	}
}

// Sync implements changelog.Reader.
func (r *reader) Sync(ctx context.Context) error {
	// The revision is read first: rows may be newer than it says, never older.
	revision, err := r.store.PolicyRevision(ctx)
	if err != nil {
		return fmt.Errorf("policy revision: %w", err)
	}
	connectors, err := r.store.Connectors(ctx)
	if err != nil {
		return err
	}
	tunnelers, err := r.store.Tunnelers(ctx)
	if err != nil {
		return err
	}
	if r.denials, err = r.readDenials(ctx, 0); err != nil {
		return err
	}
	had := ids{map[string]struct{}{}, map[string]struct{}{}} // also those that are not there any more
	for id := range r.connectors.now.All() {
		had.connectors[id] = struct{}{}
	}
	for id := range r.tunnelers.now.All() {
		had.tunnelers[id] = struct{}{}
	}
	if err := r.syncRules(ctx, tunnelers); err != nil {
		return err
	}
	return r.take(revision, had, connectors, tunnelers)
}

// ids are those of members that may have changed.
type ids struct{ connectors, tunnelers map[string]struct{} }

// Apply implements changelog.Reader.
func (r *reader) Apply(ctx context.Context, changes []changelog.Change) error {
	asked, revision := ids{map[string]struct{}{}, map[string]struct{}{}}, uint64(0)
	var rules ruleIDs
	for _, c := range changes {
		switch c.Kind { //nolint:exhaustive // the policy depends on nothing else
		case changelog.Connector:
			asked.connectors[c.ID] = struct{}{}
		case changelog.Tunneler:
			asked.tunnelers[c.ID] = struct{}{}
		case changelog.Network:
			rules.networks = true
		case changelog.Resource:
			rules.resources = append(rules.resources, c.ID)
		case changelog.Grant:
			rules.grants = append(rules.grants, c.ID)
		case changelog.Policy:
			n, err := strconv.ParseUint(c.ID, 10, 64)
			if err != nil {
				return fmt.Errorf("policy revision in the change log: %w", err)
			}
			revision = max(revision, n)
		}
	}
	if revision > 0 { // a revocation is a new revision
		if err := r.readNewDenials(ctx); err != nil {
			return err
		}
	}
	var connectors []fleet.Connector
	var tunnelers []fleet.Tunneler
	var err error
	if len(asked.connectors) > 0 {
		if connectors, err = r.store.ConnectorsByID(ctx, slices.Sorted(maps.Keys(asked.connectors))); err != nil {
			return err
		}
	}
	if len(asked.tunnelers) > 0 {
		if tunnelers, err = r.store.TunnelersByID(ctx, slices.Sorted(maps.Keys(asked.tunnelers))); err != nil {
			return err
		}
	}
	if err := r.applyRules(ctx, rules); err != nil {
		return err
	}
	if err := r.labelled(asked.tunnelers, tunnelers); err != nil {
		return err
	}
	return r.take(revision, asked, connectors, tunnelers)
}

// readNewDenials appends what is new. What has ended since, and what a later denial
// replaces, goes at the next Sync.
func (r *reader) readNewDenials(ctx context.Context) error {
	var last uint64
	if n := len(r.denials); n > 0 {
		last = r.denials[n-1].Seq
	}
	more, err := r.readDenials(ctx, last)
	r.denials = append(r.denials, more...)
	return err
}

func (r *reader) readDenials(ctx context.Context, after uint64) ([]fleet.Denial, error) {
	return r.store.Denials(ctx, after, r.now().Add(-fleet.DenialLife))
}

// Settled implements changelog.Reader.
func (r *reader) Settled(context.Context) error {
	r.settled()
	return nil
}

// take replaces the members that were asked for by the rows that were found.
func (r *reader) take(revision uint64, asked ids, connectors []fleet.Connector, tunnelers []fleet.Tunneler) error {
	newConnectors, newTunnelers := absent[Connector](asked.connectors), absent[Tunneler](asked.tunnelers)
	revoked := map[identity.Workload]time.Time{}
	for _, c := range connectors {
		newConnectors[c.ID] = nil
		if !c.Live() {
			revoked[c.Workload] = c.RevokedAt
			continue
		}
		id, err := c.SPIFFEID(r.td)
		if err != nil {
			return err
		}
		newConnectors[c.ID] = &Connector{ID: c.ID, SPIFFEID: id, NetworkID: c.NetworkID, Addresses: c.Addresses, HostID: c.HostID, SVIDNotBefore: c.SVIDNotBefore()}
	}
	for _, t := range tunnelers {
		newTunnelers[t.ID] = nil
		if !t.Live() {
			revoked[t.Workload] = t.RevokedAt
			continue
		}
		id, err := t.SPIFFEID(r.td)
		if err != nil {
			return err
		}
		newTunnelers[t.ID] = &Tunneler{SPIFFEID: id, HostID: t.HostID, SVIDNotBefore: t.SVIDNotBefore()}
	}
	r.revoked = append(r.revoked, replace(r.connectors, newConnectors, identity.KindConnector, revoked)...)
	r.revoked = append(r.revoked, replace(r.tunnelers, newTunnelers, identity.KindTunneler, revoked)...)
	r.revision = max(r.revision, revision)
	return nil
}

// replace returns when those were revoked who are not members any more.
func replace[T any](members *edit[T], news map[string]*T, kind identity.Kind, revoked map[identity.Workload]time.Time) (times []time.Time) {
	for id, next := range news {
		if !members.put(id, next) {
			continue
		}
		if at, ok := revoked[identity.Workload{Kind: kind, ID: id}]; ok {
			times = append(times, at)
		}
	}
	return times
}

// recall adds the revocations since the last snapshot to those of the last minute.
// Snapshots share them: they are appended to, or cut at the front.
func (r *reader) recall(now time.Time) []Revocation {
	for len(r.recent) > 0 && now.Sub(r.recent[0].At) >= giveUp {
		r.recent = r.recent[1:]
	}
	slices.SortFunc(r.revoked, time.Time.Compare)
	for _, at := range r.revoked {
		r.recent = append(r.recent, Revocation{r.revision, at})
	}
	r.revoked = nil
	return r.recent
}

// snapshot is the policy now, and knows how it came about since the first one.
func (r *reader) snapshot(now time.Time, last *Snapshot) *Snapshot {
	first := last.Revision == 0
	shared, networks := r.rules.snapshot(r.revision, first)
	return &Snapshot{
		SharedRules: shared, networks: networks,
		Revision: r.revision, IssuedAt: now, Denials: r.denials, Revoked: r.recall(now), td: r.td, published: last.published + 1,
		Connectors: r.connectors.snapshot(r.revision, first), Tunnelers: r.tunnelers.snapshot(r.revision, first),
	}
}

func absent[T any](names map[string]struct{}) map[string]*T {
	out := make(map[string]*T, len(names))
	for name := range names {
		out[name] = nil
	}
	return out
}
