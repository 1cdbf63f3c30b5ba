package fleet

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const (
	// placedAtOnce is how many members are read of the store at once.
	placedAtOnce = 500
	// compareAgain is the pause after a comparison that failed.
	compareAgain = time.Second
)

// compareWhenDue compares everything when it is asked to and every 10 minutes, and
// repeats a comparison that failed.
func (r *Reconciler) compareWhenDue(ctx context.Context) error {
	next := time.NewTimer(compareEvery)
	defer next.Stop()
	for {
		select {
		case <-r.due:
		case <-next.C:
		case <-ctx.Done():
			return nil
		}
		err := r.compare(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.mu.Lock()
		r.compared = err
		r.mu.Unlock()
		r.report()
		next.Reset(compareEvery)
		if err != nil {
			next.Reset(compareAgain)
		}
	}
}

// compare queues what differs; the workers look again, each in its order, and mend. It
// holds one page of SPIRE's and one of the store's at a time, and a hash of each entry.
func (r *Reconciler) compare(ctx context.Context) error {
	// Bans first: what a thief can still do is what counts.
	banErr := r.cfg.SPIRE.EachAgents(ctx, func(page []Agent) error { return r.compareAgents(ctx, page) })
	seen := seenEntries{seed: maphash.MakeSeed(), hashes: map[uint64]struct{}{}}
	err := r.cfg.SPIRE.EachEntries(ctx, func(page []Entry) error { return r.compareEntries(ctx, page, seen) })
	if err == nil {
		err = r.queueMissing(ctx, seen)
	}
	return errors.Join(banErr, err)
}

// seenEntries are the entries that SPIRE has, by a hash of their ID. Two with one hash
// (in 50,000: once in 10 billion comparisons) would hide that one is missing until the
// next comparison, which has another seed.
type seenEntries struct {
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

func (s seenEntries) add(id string) { s.hashes[maphash.String(s.seed, id)] = struct{}{} }

func (s seenEntries) has(id string) bool {
	_, ok := s.hashes[maphash.String(s.seed, id)]
	return ok
}

// compareAgents queues the revoked hosts of agents that are not banned.
func (r *Reconciler) compareAgents(ctx context.Context, page []Agent) error {
	ids := make([]spiffeid.ID, 0, len(page))
	for _, a := range page {
		ids = append(ids, a.ID)
	}
	hosts, err := r.cfg.Store.RevokedHosts(ctx, ids)
	if err != nil {
		return fmt.Errorf("revoked hosts: %w", err)
	}
	for _, h := range hosts {
		r.queue.add(item{changelog.Host, string(h)}, true)
	}
	return nil
}

// compareEntries queues the entries that nobody should have and the members whose entry
// is another than it should be.
func (r *Reconciler) compareEntries(ctx context.Context, page []Entry, seen seenEntries) error {
	want, err := r.wantedFor(ctx, page)
	if err != nil {
		return err
	}
	for _, e := range page {
		seen.add(e.ID)
		w, wanted := want[e.ID]
		switch {
		case wanted && equalEntries(e, w):
		case wanted && r.own[e.ID].ID == "":
			member, _ := memberOf(e.ID)
			r.queue.add(itemOf(member), false)
		default:
			r.queue.add(item{ofEntry, e.ID}, !wanted)
		}
	}
	return nil
}

// wantedFor is what should be there of the members to which a page of entries belongs,
// and what is our own, by ID.
func (r *Reconciler) wantedFor(ctx context.Context, page []Entry) (map[string]Entry, error) {
	ids := map[identity.Kind][]string{}
	for _, e := range page {
		if w, ok := memberOf(e.ID); ok {
			ids[w.Kind] = append(ids[w.Kind], w.ID)
		}
	}
	want := maps.Clone(r.own)
	for kind, some := range ids {
		placed, err := r.cfg.Store.PlacedByID(ctx, kind, some)
		if err != nil {
			return nil, err
		}
		for _, p := range placed {
			e, wanted, err := p.entry(&r.cfg)
			if err != nil {
				return nil, err
			}
			if wanted {
				want[e.ID] = e
			}
		}
	}
	return want, nil
}

// queueMissing queues the members that should have an entry and have none.
func (r *Reconciler) queueMissing(ctx context.Context, seen seenEntries) error {
	for id := range r.own {
		if !seen.has(id) {
			r.queue.add(item{ofEntry, id}, false)
		}
	}
	for _, kind := range []identity.Kind{identity.KindConnector, identity.KindTunneler} {
		for after := ""; ; {
			page, err := r.cfg.Store.PlacedAfter(ctx, kind, after, placedAtOnce)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				e, wanted, err := p.entry(&r.cfg)
				if err != nil {
					return err
				}
				if wanted && !seen.has(e.ID) {
					r.queue.add(itemOf(p.Member.Workload), false)
				}
			}
			after = page[len(page)-1].Member.ID
		}
	}
	return nil
}

// memberOf reads the member from the ID of an entry; see Member.EntryID.
func memberOf(entryID string) (w identity.Workload, ok bool) {
	parts := strings.Split(strings.TrimPrefix(entryID, EntryIDPrefix), ".")
	if len(parts) != 3 {
		return w, false
	}
	kind, err := identity.ParseKind(parts[0])
	if err != nil || identity.ValidateID(parts[1]) != nil {
		return w, false
	}
	return identity.Workload{Kind: kind, ID: parts[1]}, true
}
