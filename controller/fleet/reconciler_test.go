package fleet_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// hookedSPIRE lets something happen right after entries were read.
type hookedSPIRE struct {
	*enrolltest.SPIRE
	afterEntries func()
}

func (h *hookedSPIRE) Entries(ctx context.Context) ([]fleet.Entry, error) {
	out, err := h.SPIRE.Entries(ctx)
	if h.afterEntries != nil {
		h.afterEntries()
	}
	return out, err
}

// hookedStore lets something happen right after the store was read.
type hookedStore struct {
	fleet.Store
	afterHosts, afterTunnelers func()
}

func (h *hookedStore) Hosts(ctx context.Context) ([]fleet.Host, error) {
	out, err := h.Store.Hosts(ctx)
	if h.afterHosts != nil {
		h.afterHosts()
	}
	return out, err
}

func (h *hookedStore) Tunnelers(ctx context.Context) ([]fleet.Tunneler, error) {
	out, err := h.Store.Tunnelers(ctx)
	if h.afterTunnelers != nil {
		h.afterTunnelers()
	}
	return out, err
}

func own() fleet.Entry {
	return fleet.Entry{
		ID: fleet.EntryIDPrefix + "controller.controller-01", SPIFFEID: spiffeid.RequireFromPath(td, "/controller/controller-01"),
		ParentID: spiffeid.RequireFromPath(td, "/spire/agent/x509pop/own"), X509SVIDTTL: time.Hour,
		Selectors: []fleet.Selector{{Type: "unix", Value: "uid:0"}},
	}
}

func (w *world) reconciler(change func(*fleet.ReconcilerConfig)) *fleet.Reconciler {
	cfg := fleet.ReconcilerConfig{
		TrustDomain: td, Store: w.store, SPIRE: w.spire, SVIDTTL: svidOf, Own: []fleet.Entry{own()}, Log: zap.NewNop(), Result: func(error) {},
	}
	if change != nil {
		change(&cfg)
	}
	return fleet.NewReconciler(cfg)
}

func pass(t *testing.T, r *fleet.Reconciler) (banned int) {
	t.Helper()
	banned, err := r.Pass(t.Context())
	require.NoError(t, err)
	return banned
}

func byID(entries ...fleet.Entry) map[string]fleet.Entry {
	out := map[string]fleet.Entry{}
	for _, e := range entries {
		out[e.ID] = e
	}
	return out
}

// ourEntries hides entries of others, as spire/registrar does.
type ourEntries struct{ *enrolltest.SPIRE }

func (o ourEntries) Entries(ctx context.Context) ([]fleet.Entry, error) {
	all, err := o.SPIRE.Entries(ctx)
	var out []fleet.Entry
	for _, e := range all {
		if e.ID[:len(fleet.EntryIDPrefix)] == fleet.EntryIDPrefix {
			out = append(out, e)
		}
	}
	return out, err
}

func TestPassMakesSPIREEqualToTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h1 := w.enroll(t, connector("c-01"), tunneler("t-01"))
	h2 := w.enroll(t, connector("gone"))
	w.revoke(t, connector("gone"))
	foreign := fleet.Entry{ID: "payments-prod", SPIFFEID: spiffeid.RequireFromPath(td, "/payments")}
	lost := w.entry(t, connector("never-heard-of"), fleet.Host{ID: identity.NewHostID(), AgentID: h1.AgentID})
	for _, e := range []fleet.Entry{foreign, lost, w.entry(t, connector("gone"), h2)} {
		require.NoError(t, w.spire.PutEntry(t.Context(), e))
	}
	r := w.reconciler(func(c *fleet.ReconcilerConfig) { c.SPIRE = ourEntries{w.spire} })
	require.Zero(t, pass(t, r))
	want := byID(foreign, own(), w.entry(t, connector("c-01"), h1), w.entry(t, tunneler("t-01"), h1))
	require.Empty(t, cmp.Diff(want, w.entries(t), cmp.Comparer(func(a, b spiffeid.ID) bool { return a == b })),
		"creates what is missing, deletes what is surplus, leaves an operator's own entry alone")

	t.Log("one of two roles goes: its entry goes, the host's agent stays")
	w.spire.Attest(h1.AgentID)
	w.revoke(t, tunneler("t-01"))
	require.Zero(t, pass(t, r))
	require.NotContains(t, w.entries(t), w.entry(t, tunneler("t-01"), h1).ID)
	a, err := w.spire.Agent(t.Context(), h1.AgentID)
	require.NoError(t, err)
	require.False(t, a.Banned)
}

func TestPassRepairsChangedEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"))
	want := w.entry(t, connector("c-01"), h)
	for name, spoil := range map[string]func(*fleet.Entry){
		"another SPIFFE ID": func(e *fleet.Entry) { e.SPIFFEID = spiffeid.RequireFromPath(td, "/controller/controller-01") },
		"another parent":    func(e *fleet.Entry) { e.ParentID = spiffeid.RequireFromPath(td, "/spire/agent/x509pop/other") },
		"another TTL":       func(e *fleet.Entry) { e.X509SVIDTTL = 24 * time.Hour },
		"fewer selectors":   func(e *fleet.Entry) { e.Selectors = e.Selectors[:1] },
		"another selector": func(e *fleet.Entry) {
			e.Selectors = []fleet.Selector{e.Selectors[0], {Type: "unix", Value: "path:/tmp/x"}}
		},
		"no selectors":                func(e *fleet.Entry) { e.Selectors = nil },
		"the controller's entry gone": func(e *fleet.Entry) { *e = own(); e.SPIFFEID = want.SPIFFEID },
	} {
		bad := want
		bad.Selectors = append([]fleet.Selector(nil), want.Selectors...)
		spoil(&bad)
		require.NoError(t, w.spire.PutEntry(t.Context(), bad))
		pass(t, w.reconciler(nil))
		require.Empty(t, cmp.Diff(byID(want, own()), w.entries(t), cmp.Comparer(func(a, b spiffeid.ID) bool { return a == b })), name)
	}
	t.Log("an entry that only lists its selectors in another order is left alone")
	same := want
	same.Selectors = []fleet.Selector{want.Selectors[1], want.Selectors[0]}
	require.NoError(t, w.spire.PutEntry(t.Context(), same))
	w.spire.Fail("PutEntry", errors.New("must not be called"))
	pass(t, w.reconciler(nil))
}

func TestPassBans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h, late := w.enroll(t, connector("c-01")), w.enroll(t, connector("late"))
	other := w.enroll(t, connector("other"))
	for _, a := range []fleet.Host{h, other} {
		w.spire.Attest(a.AgentID)
	}
	r := w.reconciler(nil)
	require.Zero(t, pass(t, r))
	w.revoke(t, connector("c-01"))
	w.revoke(t, connector("late"))
	require.Equal(t, 1, pass(t, r), "the one that attested; the other has no agent to ban yet")
	require.Zero(t, pass(t, r), "a ban that holds is not made again")

	w.spire.Unban(h.AgentID)
	require.Equal(t, 1, pass(t, r), "a ban that was undone is made again")
	w.spire.Attest(late.AgentID)
	require.Equal(t, 1, pass(t, r), "a host that attests only after its revocation")
	a, err := w.spire.Agent(t.Context(), other.AgentID)
	require.NoError(t, err)
	require.False(t, a.Banned, "nobody else")
}

// TestPassNeverDeletesANewHost: enrollment commits to the store and then writes
// the entry. Whenever a pass reads, the entry must survive it.
func TestPassNeverDeletesANewHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var once sync.Once
	arrive := func() {
		once.Do(func() {
			h := w.enroll(t, connector("new"), tunneler("new"))
			for _, who := range []identity.Workload{connector("new"), tunneler("new")} {
				require.NoError(t, w.spire.PutEntry(t.Context(), w.entry(t, who, h)))
			}
		})
	}
	for name, change := range map[string]func(*fleet.ReconcilerConfig){
		"right after SPIRE was read": func(c *fleet.ReconcilerConfig) {
			c.SPIRE = &hookedSPIRE{SPIRE: w.spire, afterEntries: arrive}
		},
		"right after the hosts were read": func(c *fleet.ReconcilerConfig) {
			c.Store = &hookedStore{Store: w.store, afterHosts: arrive}
		},
		"right after the members were read": func(c *fleet.ReconcilerConfig) {
			c.Store = &hookedStore{Store: w.store, afterTunnelers: arrive}
		},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // one after the other on one world
			once = sync.Once{}
			pass(t, w.reconciler(change))
			require.Len(t, w.entries(t), 3, "the controller's, and both new ones")
			pass(t, w.reconciler(nil))
			require.Len(t, w.entries(t), 3)
			for _, who := range []identity.Workload{connector("new"), tunneler("new")} {
				w.revoke(t, who)
			}
			pass(t, w.reconciler(nil))
			require.Len(t, w.entries(t), 1)
		})
	}
}

// TestPassGoesOnAfterAFailure: one call that fails costs nothing else.
func TestPassGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("spire is restarting")
	for name, c := range map[string]struct {
		method  string
		banned  int
		entries int // of the two wanted, after the pass
	}{
		"entries cannot be listed, the ban is made all the same": {"Entries", 1, -1},
		"agents cannot be listed, entries are repaired":          {"Agents", 0, 2},
		"the ban fails, entries are repaired":                    {"BanAgent", 0, 2},
		"one entry cannot be written, the others are":            {"PutEntry", 1, 1},
		"one entry cannot be deleted, the others are written":    {"DeleteEntry", 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h := w.enroll(t, connector("bad"))
			good := w.enroll(t, connector("good"))
			w.spire.Attest(h.AgentID)
			require.NoError(t, w.spire.PutEntry(t.Context(), w.entry(t, connector("bad"), h)))
			w.revoke(t, connector("bad"))
			w.spire.Fail(c.method, broken)
			r := w.reconciler(nil)
			banned, err := r.Pass(t.Context())
			require.ErrorIs(t, err, broken)
			require.Equal(t, c.banned, banned)
			if c.entries >= 0 {
				have, n := w.entries(t), 0
				for _, id := range []string{own().ID, w.entry(t, connector("good"), good).ID} {
					if _, ok := have[id]; ok {
						n++
					}
				}
				require.Equal(t, c.entries, n)
			}
			_, err = r.Pass(t.Context())
			require.NoError(t, err)
			require.Len(t, w.entries(t), 2, "the next pass does the rest")
			a, err := w.spire.Agent(t.Context(), h.AgentID)
			require.NoError(t, err)
			require.True(t, a.Banned)
		})
	}
	t.Run("a store that fails deletes nothing and bans nobody", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		h := w.enroll(t, connector("c-01"))
		require.NoError(t, w.spire.PutEntry(t.Context(), w.entry(t, connector("c-01"), h)))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := w.reconciler(nil).Pass(ctx)
		require.Error(t, err)
		require.Len(t, w.entries(t), 1)
	})
}

// TestReconcilerRun runs on a clock of its own, so that a pass by itself is not
// mistaken for one that was asked for, and nobody waits for either.
func TestReconcilerRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.enroll(t, connector("c-01"))
		w.spire.Attest(h.AgentID)
		w.spire.Fail("Agents", errors.New("never asked, nobody is revoked"))
		results := make(chan error, 100)
		r := w.reconciler(func(c *fleet.ReconcilerConfig) { c.Result = func(err error) { results <- err } })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		require.NoError(t, <-results, "a pass at start")
		require.Len(t, w.entries(t), 2)
		_, _ = w.spire.Agents(t.Context()) // takes the failure away

		begin := time.Now()
		next := func() error { return <-results } // of the next pass
		banned := func() bool {
			a, err := w.spire.Agent(t.Context(), h.AgentID)
			require.NoError(t, err)
			return a.Banned
		}
		w.revoke(t, connector("c-01"))
		for range 10 {
			r.Kick() // never blocks
		}
		require.NoError(t, next())
		require.Zero(t, time.Since(begin), "a kick is a pass now, not in 30 s")
		require.True(t, banned())
		w.spire.Unban(h.AgentID)
		for !banned() {
			require.NoError(t, next())
		}
		require.LessOrEqual(t, time.Since(begin), 2*time.Second, "an undone ban is found within a second or two, without a kick")

		w.spire.Fail("Entries", errors.New("spire is restarting"))
		begin = time.Now()
		r.Kick()
		for next() == nil {
		}
		require.LessOrEqual(t, time.Since(begin), time.Second, "readiness is told")
		require.NoError(t, next(), "and the pass is repeated by itself")
		require.LessOrEqual(t, time.Since(begin), 2*time.Second)
		cancel()
		require.NoError(t, <-done)
	})
}
