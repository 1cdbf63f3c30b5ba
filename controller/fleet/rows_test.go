package fleet_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// whole counts the reads of all rows.
type whole struct {
	fleet.Store
	reads int
}

func (s *whole) Connectors(ctx context.Context) ([]fleet.Connector, error) {
	s.reads++
	return s.Store.Connectors(ctx)
}

func (s *whole) Tunnelers(ctx context.Context) ([]fleet.Tunneler, error) {
	s.reads++
	return s.Store.Tunnelers(ctx)
}

func (s *whole) Hosts(ctx context.Context) ([]fleet.Host, error) {
	s.reads++
	return s.Store.Hosts(ctx)
}

// TestListsReadOnlyTheRowsThatChanged and show what the store has, whatever changed.
func TestListsReadOnlyTheRowsThatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enroll(t, connector("b"), tunneler("b"))
	store := &whole{Store: w.store}
	c := w.config()
	c.Store = store
	w.Fleet = fleet.New(c)
	same := func(what string) {
		t.Helper()
		connectors, err := w.Connectors(t.Context())
		require.NoError(t, err)
		wantC, err := w.store.Connectors(t.Context())
		require.NoError(t, err)
		require.Len(t, connectors, len(wantC), what)
		for i, want := range wantC {
			want.Presence = connectors[i].Presence
			require.Equal(t, want, connectors[i], what)
		}
		tunnelers, err := w.Tunnelers(t.Context())
		require.NoError(t, err)
		wantT, err := w.store.Tunnelers(t.Context())
		require.NoError(t, err)
		require.Len(t, tunnelers, len(wantT), what)
		for i, want := range wantT {
			want.Presence = tunnelers[i].Presence
			require.Equal(t, want, tunnelers[i], what)
		}
		hosts, err := w.Hosts(t.Context())
		require.NoError(t, err)
		wantH, err := w.store.Hosts(t.Context())
		require.NoError(t, err)
		for i := range wantH {
			wantH[i].Certificate, wantH[i].KeyHash = nil, nil
		}
		require.Equal(t, wantH, hosts, what)
	}
	same("at first")
	require.Equal(t, 3, store.reads)
	var h fleet.Host
	mark := func(do func(tx fleet.Tx) error) { require.NoError(t, w.store.FleetTx(t.Context(), do)) }
	for _, step := range []struct {
		what string
		do   func()
	}{
		{"an enrollment between others", func() { h = w.enroll(t, connector("a"), connector("c"), tunneler("a")) }},
		{"a hello", func() {
			mark(func(tx fleet.Tx) error {
				_, err := tx.SaveHello(t.Context(), fleet.Hello{ID: "a", Version: "v2", Addresses: []string{"a:1"}})
				return err
			})
		}},
		{"a contested host, which its members show", func() {
			mark(func(tx fleet.Tx) error { return tx.ContestHost(t.Context(), h.ID, w.clock.Now()) })
		}},
		{"a clone, which its members show", func() {
			mark(func(tx fleet.Tx) error {
				_, err := tx.MarkCloned(t.Context(), h.ID, w.clock.Now(), fleet.Clone{Signal: fleet.TwoPrograms, Member: "connector/a"})
				return err
			})
		}},
		{"a revocation of the last roles", func() { w.revoke(t, connector("b")); w.revoke(t, tunneler("b")) }},
		{"an id on another host", func() { w.enroll(t, tunneler("b")) }},
	} {
		step.do()
		same(step.what)
	}
	require.Equal(t, 3, store.reads, "all rows were read once")

	w.enroll(t, tunneler("late"))
	require.NoError(t, w.store.PruneChanges(t.Context(), 0))
	same("changes that nobody read before they were pruned")
	require.Equal(t, 6, store.reads)
}
