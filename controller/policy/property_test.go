package policy_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// TestAnyHistoryEndsInTheNaiveWholeSnapshot: whatever interleaves of changes, restarts,
// a log that is pruned, reads that fail and wake-ups that are lost, what is published
// is what one that reads everything publishes, and the snapshots before it lead there
// by the members they say changed.
func TestAnyHistoryEndsInTheNaiveWholeSnapshot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{store: newMemory(1), clock: hosttest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
		h.restart()
		rt.Repeat(map[string]func(*rapid.T){
			"enroll, revoke or move": h.change,
			"many changes": func(rt *rapid.T) {
				if h.crowded {
					rt.Skip("once is enough, and slow")
				}
				h.crowded = true
				first := rapid.IntRange(0, 9).Draw(rt, "first")
				for i := range 260 { // with their revisions more than a page
					h.apply(fmt.Sprintf("m-%d", (first+i)%10), (first+i/10)%7, i%4)
				}
			},
			"look": h.look,
			"fail": func(*rapid.T) {
				h.store.failing(errors.New("away"))
				_ = h.publisher.Refresh(context.Background())
				h.store.failing(nil)
			},
			"the log fails": func(*rapid.T) {
				h.store.Fail(errors.New("away"))
				_ = h.publisher.Refresh(context.Background())
				h.store.Fail(nil)
			},
			"prune":     func(rt *rapid.T) { h.store.Prune(rapid.IntRange(0, 3).Draw(rt, "kept")) },
			"restart":   func(*rapid.T) { h.restart() },
			"time goes": func(rt *rapid.T) { h.clock.Advance(time.Duration(rapid.IntRange(1, 700).Draw(rt, "s")) * time.Second) },
			"":          h.look,
		})
	})
}

type history struct {
	store     *memory
	clock     *hosttest.Clock
	publisher *policy.Publisher
	behind    []*policy.Snapshot // what peers have that did not hear of what came after
	crowded   bool               // many changes happened
}

// restart forgets what was in memory.
func (h *history) restart() {
	h.publisher = policy.NewPublisher(td, h.store, zap.NewNop(), h.clock.Now)
}

func (h *history) change(rt *rapid.T) {
	h.apply(fmt.Sprintf("m-%d", rapid.IntRange(0, 9).Draw(rt, "id")), rapid.IntRange(0, 6).Draw(rt, "op"), rapid.IntRange(0, 3).Draw(rt, "address"))
}

func (h *history) apply(id string, op, address int) {
	h.store.change(func() {
		now := h.clock.Now()
		switch op {
		case 0, 1: // enrolled, or enrolled anew
			h.connector(id, func(c *fleet.Connector) { c.EnrolledAt, c.RevokedAt = now, time.Time{} })
		case 2:
			h.connector(id, func(c *fleet.Connector) { c.RevokedAt = now })
		case 3:
			h.connector(id, func(c *fleet.Connector) { c.Addresses = []string{fmt.Sprintf("h%d:1", address)} })
		case 6:
			h.connector(id, func(c *fleet.Connector) { c.NetworkID = fmt.Sprintf("n%d", address) })
		case 4:
			h.tunneler(id, func(t *fleet.Tunneler) { t.EnrolledAt, t.RevokedAt = now, time.Time{} })
		case 5:
			h.tunneler(id, func(t *fleet.Tunneler) { t.RevokedAt = now })
		}
	})
}

func (h *history) connector(id string, edit func(*fleet.Connector)) {
	for i := range h.store.connectors {
		if h.store.connectors[i].ID == id {
			edit(&h.store.connectors[i])
			return
		}
	}
	c := fleet.Connector{Member: member(identity.KindConnector, id, h.clock.Now())}
	edit(&c)
	h.store.connectors = append(h.store.connectors, c)
}

func (h *history) tunneler(id string, edit func(*fleet.Tunneler)) {
	for i := range h.store.tunnelers {
		if h.store.tunnelers[i].ID == id {
			edit(&h.store.tunnelers[i])
			return
		}
	}
	t := fleet.Tunneler{Member: member(identity.KindTunneler, id, h.clock.Now())}
	edit(&t)
	h.store.tunnelers = append(h.store.tunnelers, t)
}

// look catches up, as Run does at least every second, and compares.
func (h *history) look(rt *rapid.T) {
	require.NoError(rt, h.publisher.Refresh(context.Background()))
	naive := policy.NewPublisher(td, h.store, zap.NewNop(), h.clock.Now)
	require.NoError(rt, naive.Refresh(context.Background()))
	got, want := h.publisher.Current(), naive.Current()
	require.Equal(rt, want.Revision, got.Revision)
	require.Equal(rt, entries(want), entries(got))
	require.Equal(rt, want.Tunnelers.Digest(), got.Tunnelers.Digest())
	require.Equal(rt, want.Connectors.Digest(), got.Connectors.Digest())
	for i := range 10 {
		for _, kind := range []identity.Kind{identity.KindConnector, identity.KindTunneler, identity.KindController} {
			w := identity.Workload{Kind: kind, ID: fmt.Sprintf("m-%d", i)}
			require.Equal(rt, want.Names(w), got.Names(w))
		}
	}
	h.follow(rt, got)
}

// follow brings peers up to date with what the snapshot says has changed since each
// of those that they have, also of earlier runs; whom it cannot tell gets everything.
func (h *history) follow(rt *rapid.T, now *policy.Snapshot) {
	for _, then := range h.behind {
		require.Equal(rt, named(now.Tunnelers), followed(then.Tunnelers, now.Tunnelers, then.Revision))
		require.Equal(rt, named(now.Connectors), followed(then.Connectors, now.Connectors, then.Revision))
	}
	h.behind = append(h.behind, now)
}

func followed[T any](then, now policy.Members[T], revision uint64) map[string]string {
	ids, ok := now.Since(revision, then.Digest())
	if !ok {
		return named(now)
	}
	out := named(then)
	for _, id := range ids {
		delete(out, id)
		if m, ok := now.Get(id); ok {
			out[id] = fmt.Sprint(m)
		}
	}
	return out
}

func named[T any](m policy.Members[T]) map[string]string {
	out := map[string]string{}
	for id, e := range m.All() {
		out[id] = fmt.Sprint(e)
	}
	return out
}

func entries(s *policy.Snapshot) map[identity.Workload]string {
	out := map[identity.Workload]string{}
	for _, c := range s.Connectors.All() {
		out[identity.Workload{Kind: identity.KindConnector, ID: c.ID}] = fmt.Sprint(c.Addresses, c.NetworkID, c.SVIDNotBefore)
	}
	for _, t := range s.Tunnelers.All() {
		w, err := identity.ParseWorkload(t.SPIFFEID)
		if err != nil {
			panic(err)
		}
		out[w] = fmt.Sprint(t.SVIDNotBefore)
	}
	return out
}
