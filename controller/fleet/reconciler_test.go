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

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func own() fleet.Entry {
	return fleet.Entry{
		ID: fleet.EntryIDPrefix + "controller.controller-01", SPIFFEID: spiffeid.RequireFromPath(td, "/controller/controller-01"),
		ParentID: spiffeid.RequireFromPath(td, "/spire/agent/x509pop/own"), X509SVIDTTL: time.Hour,
		Selectors: []fleet.Selector{{Type: "unix", Value: "uid:0"}},
	}
}

// reconciling is a reconciler that runs in the bubble of its test.
type reconciling struct {
	stop func()

	mu      sync.Mutex
	results []error
}

// reconcile runs one until stop or the end of the test, and returns when it has nothing
// more to do. It needs a bubble: time passes only where a test says so.
func (w *world) reconcile(t *testing.T, change func(*fleet.ReconcilerConfig)) *reconciling {
	t.Helper()
	out := &reconciling{}
	cfg := fleet.ReconcilerConfig{
		TrustDomain: td, Changes: w.store, Store: w.store, SPIRE: w.spire, SVIDTTL: svidOf, Own: []fleet.Entry{own()}, Now: time.Now,
		Log: zap.NewNop(), Result: out.result,
	}
	if change != nil {
		change(&cfg)
	}
	r := fleet.NewReconciler(cfg)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	out.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(out.stop)
	synctest.Wait()
	return out
}

func (r *reconciling) result(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, err)
}

// last is what readiness was told last, and whether it was told anything.
func (r *reconciling) last() (err error, told bool) { //nolint:revive // the error is the value
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.results) == 0 {
		return nil, false
	}
	return r.results[len(r.results)-1], true
}

func (r *reconciling) ready(t *testing.T) {
	t.Helper()
	err, told := r.last()
	require.True(t, told)
	require.NoError(t, err)
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// still has the reconciler follow a log in which nothing changes: that saves a test of
// comparisons, which are far apart, a look at the database each second.
func still(c *fleet.ReconcilerConfig) { c.Changes = changelogtest.Still{} }

// comparison passes the time until everything is compared again.
func comparison() { pass(10*time.Minute + time.Second) }

func byID(entries ...fleet.Entry) map[string]fleet.Entry {
	out := map[string]fleet.Entry{}
	for _, e := range entries {
		out[e.ID] = e
	}
	return out
}

func (w *world) has(t *testing.T, want map[string]fleet.Entry, why string) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, w.entries(), cmp.Comparer(func(a, b spiffeid.ID) bool { return a == b })), why)
}

func (w *world) banned(t *testing.T, id spiffeid.ID) bool {
	t.Helper()
	a, err := w.spire.Agent(t.Context(), id)
	require.NoError(t, err)
	return a.Banned
}

func TestReconcilerMakesSPIREEqualToTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h1 := w.enroll(t, connector("c-01"), tunneler("t-01"))
		h2 := w.enroll(t, connector("gone"))
		w.revoke(t, connector("gone"))
		foreign := fleet.Entry{ID: "payments-prod", SPIFFEID: spiffeid.RequireFromPath(td, "/payments")}
		lost := w.entry(t, connector("never-heard-of"), fleet.Host{ID: identity.NewHostID(), AgentID: h1.AgentID})
		odd := lost
		odd.ID = fleet.EntryIDPrefix + "nobody's"
		for _, e := range []fleet.Entry{foreign, lost, odd, w.entry(t, connector("gone"), h2)} {
			require.NoError(t, w.spire.PutEntry(t.Context(), e))
		}
		w.spire.Attest(h1.AgentID)
		r := w.reconcile(t, nil)
		r.ready(t)
		w.has(t, byID(foreign, own(), w.entry(t, connector("c-01"), h1), w.entry(t, tunneler("t-01"), h1)),
			"creates what is missing, deletes what is surplus, leaves an operator's own entry alone")

		t.Log("one of two roles goes: its entry goes, the host's agent stays")
		w.revoke(t, tunneler("t-01"))
		synctest.Wait()
		w.has(t, byID(foreign, own(), w.entry(t, connector("c-01"), h1)), "at once")
		require.False(t, w.banned(t, h1.AgentID))

		t.Log("an id moves to another host: the entry on the old one goes")
		h3 := w.enroll(t, connector("c-01"))
		synctest.Wait()
		w.has(t, byID(foreign, own(), w.entry(t, connector("c-01"), h3)), "no entry is left on the old host")
		r.ready(t)
	})
}

func TestReconcilerRepairsChangedEntries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.enroll(t, connector("c-01"))
		want := w.entry(t, connector("c-01"), h)
		w.reconcile(t, still)
		for name, spoil := range map[string]func(*fleet.Entry){
			"another SPIFFE ID":   func(e *fleet.Entry) { e.SPIFFEID = spiffeid.RequireFromPath(td, "/controller/controller-01") },
			"another parent":      func(e *fleet.Entry) { e.ParentID = spiffeid.RequireFromPath(td, "/spire/agent/x509pop/other") },
			"another TTL":         func(e *fleet.Entry) { e.X509SVIDTTL = 24 * time.Hour },
			"another host's name": func(e *fleet.Entry) { e.DNSName = identity.NewHostID().SVIDName() },
			"fewer selectors":     func(e *fleet.Entry) { e.Selectors = e.Selectors[:1] },
			"another selector": func(e *fleet.Entry) {
				e.Selectors = []fleet.Selector{e.Selectors[0], {Type: "unix", Value: "path:/tmp/x"}}
			},
			"no selectors":                   func(e *fleet.Entry) { e.Selectors = nil },
			"the controller's entry changed": func(e *fleet.Entry) { *e = own(); e.SPIFFEID = want.SPIFFEID },
		} {
			bad := want
			bad.Selectors = append([]fleet.Selector(nil), want.Selectors...)
			spoil(&bad)
			require.NoError(t, w.spire.PutEntry(t.Context(), bad))
			comparison()
			w.has(t, byID(want, own()), name)
		}
		t.Log("an entry that only lists its selectors in another order is left alone")
		same := want
		same.Selectors = []fleet.Selector{want.Selectors[1], want.Selectors[0]}
		require.NoError(t, w.spire.PutEntry(t.Context(), same))
		w.spire.Calls()
		comparison()
		require.Zero(t, w.spire.Calls()["PutEntry"])

		t.Log("what is gone comes back")
		require.NoError(t, w.spire.DeleteEntry(t.Context(), want.ID))
		require.NoError(t, w.spire.DeleteEntry(t.Context(), own().ID))
		comparison()
		w.has(t, byID(want, own()), "both")
	})
}

func TestReconcilerBans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h, late := w.enroll(t, connector("c-01")), w.enroll(t, connector("late"))
		other := w.enroll(t, connector("other"))
		for _, a := range []fleet.Host{h, other} {
			w.spire.Attest(a.AgentID)
		}
		r := w.reconcile(t, nil)
		require.False(t, w.banned(t, h.AgentID))
		w.revoke(t, connector("c-01"))
		w.revoke(t, connector("late"))
		synctest.Wait()
		require.True(t, w.banned(t, h.AgentID))

		w.spire.Unban(h.AgentID)
		pass(time.Second)
		require.True(t, w.banned(t, h.AgentID), "a ban that an attestation in flight undid is made again")
		w.spire.Attest(late.AgentID)
		pass(time.Second)
		require.True(t, w.banned(t, late.AgentID), "a host that attests only after its revocation")

		pass(time.Minute)
		r.stop()
		w.reconcile(t, still)
		w.spire.Unban(h.AgentID)
		comparison()
		require.True(t, w.banned(t, h.AgentID), "much later the comparison finds it")
		require.False(t, w.banned(t, other.AgentID), "nobody else")
		comparison()
		w.spire.Calls()
		comparison()
		require.Empty(t, cmp.Diff(map[string]int{"EachAgents": 1, "EachEntries": 1}, w.spire.Calls()), "what holds is not asked for one by one")
	})
}

// TestAnEntryThatIsWrittenAfterItsRevocationIsDeleted: an enrollment that was in flight
// writes its entry when the revocation has been dealt with.
func TestAnEntryThatIsWrittenAfterItsRevocationIsDeleted(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{500 * time.Millisecond, 4500 * time.Millisecond, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			h := w.enroll(t, connector("c-01"))
			w.reconcile(t, nil)
			w.revoke(t, connector("c-01"))
			pass(after)
			require.NoError(t, w.spire.PutEntry(t.Context(), w.entry(t, connector("c-01"), h)))
			pass(31*time.Second - after)
			w.has(t, byID(own()), after.String())
		})
	}
}

// hookedSPIRE lets something happen right after entries were read.
type hookedSPIRE struct {
	fleet.SPIRE
	then func()
}

func (h hookedSPIRE) EachEntries(ctx context.Context, fn func([]fleet.Entry) error) error {
	err := h.SPIRE.EachEntries(ctx, fn)
	h.then()
	return err
}

func (h hookedSPIRE) EntriesOf(ctx context.Context, id spiffeid.ID) ([]fleet.Entry, error) {
	out, err := h.SPIRE.EntriesOf(ctx, id)
	h.then()
	return out, err
}

// hookedStore lets something happen right after the store was read.
type hookedStore struct {
	fleet.Placements
	then func()
}

func (h hookedStore) PlacedByID(ctx context.Context, k identity.Kind, ids []string) ([]fleet.Placed, error) {
	out, err := h.Placements.PlacedByID(ctx, k, ids)
	h.then()
	return out, err
}

func (h hookedStore) PlacedAfter(ctx context.Context, k identity.Kind, after string, limit int) ([]fleet.Placed, error) {
	out, err := h.Placements.PlacedAfter(ctx, k, after, limit)
	h.then()
	return out, err
}

// TestReconcilerNeverDeletesANewMember: enrollment commits to the store and then writes
// the entry. Whatever has been read, the entry must survive it. The id was another host's
// before, so that it is looked at anyway.
func TestReconcilerNeverDeletesANewMember(t *testing.T) {
	t.Parallel()
	for moment := 1; moment <= 11; moment++ {
		// Of the reads, the one after which it arrives: when the revocation is mended and
		// looked at again, and of a comparison.
		restarted, moment := moment > 6, (moment-1)%6+1
		if restarted {
			moment += 2
		}
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.enroll(t, connector("there"))
			w.enroll(t, connector("new"))
			var mu sync.Mutex
			var reads int
			var fresh, deleted []string
			counting := false
			hook := func() {
				mu.Lock()
				defer mu.Unlock()
				if reads++; !counting || reads != moment {
					return
				}
				h := w.enroll(t, connector("new"), tunneler("new"))
				for _, who := range []identity.Workload{connector("new"), tunneler("new")} {
					e := w.entry(t, who, h)
					fresh = append(fresh, e.ID)
					require.NoError(t, w.spire.PutEntry(t.Context(), e))
				}
			}
			change := func(c *fleet.ReconcilerConfig) {
				c.Store = hookedStore{c.Store, hook}
				c.SPIRE = hookedSPIRE{deletions{c.SPIRE, &mu, &deleted}, hook}
			}
			first := w.reconcile(t, change)
			mu.Lock()
			reads, counting = 0, true
			mu.Unlock()
			w.revoke(t, connector("new"))
			synctest.Wait()
			if restarted {
				first.stop()
				w.reconcile(t, change)
			}
			pass(time.Minute)
			mu.Lock()
			defer mu.Unlock()
			require.Len(t, fresh, 2, "it has arrived")
			for _, id := range fresh {
				require.NotContains(t, deleted, id)
				require.Contains(t, w.entries(), id)
			}
			require.Len(t, w.entries(), 4)
		})
	}
}

// deletions notes them.
type deletions struct {
	fleet.SPIRE
	mu  *sync.Mutex
	ids *[]string
}

func (d deletions) DeleteEntry(ctx context.Context, id string) error {
	d.mu.Lock()
	*d.ids = append(*d.ids, id)
	d.mu.Unlock()
	return d.SPIRE.DeleteEntry(ctx, id)
}

// TestAFailureCostsNothingElse: one call that fails is repeated, and everything else is
// done meanwhile.
func TestAFailureCostsNothingElse(t *testing.T) {
	t.Parallel()
	broken := errors.New("spire is restarting")
	for name, c := range map[string]struct {
		method  string
		banned  bool
		entries int // of the two wanted, at once
	}{
		"entries cannot be listed, the ban is made all the same": {"EachEntries", true, -1},
		"agents cannot be listed, entries are repaired":          {"EachAgents", false, 2},
		"an agent cannot be read, entries are repaired":          {"Agent", false, 2},
		"the ban fails, entries are repaired":                    {"BanAgent", false, 2},
		"one entry cannot be written, the others are":            {"PutEntry", true, 1},
		"one entry cannot be deleted, the others are written":    {"DeleteEntry", true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				h := w.enroll(t, connector("bad"))
				good := w.enroll(t, connector("good"))
				w.spire.Attest(h.AgentID)
				require.NoError(t, w.spire.PutEntry(t.Context(), w.entry(t, connector("bad"), h)))
				w.revoke(t, connector("bad"))
				w.spire.Fail(c.method, broken)
				r := w.reconcile(t, nil)
				err, told := r.last()
				require.True(t, told)
				require.ErrorIs(t, err, broken)
				if have := w.entries(); c.entries >= 0 {
					n := 0
					for _, id := range []string{own().ID, w.entry(t, connector("good"), good).ID} {
						if _, ok := have[id]; ok {
							n++
						}
					}
					require.Equal(t, c.entries, n)
				}
				if c.banned {
					require.True(t, w.banned(t, h.AgentID))
				}
				pass(2 * time.Second)
				r.ready(t)
				require.Len(t, w.entries(), 2, "the rest is done soon")
				require.True(t, w.banned(t, h.AgentID))
			})
		})
	}
	t.Run("a store that fails deletes nothing and bans nobody", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			h := w.enroll(t, connector("c-01"))
			w.spire.Attest(h.AgentID)
			require.NoError(t, w.spire.PutEntry(t.Context(), w.entry(t, connector("c-01"), h)))
			r := w.reconcile(t, func(c *fleet.ReconcilerConfig) { c.Store = noStore{c.Store, broken} })
			pass(time.Minute)
			err, _ := r.last()
			require.ErrorIs(t, err, broken)
			require.Len(t, w.entries(), 1)
			require.False(t, w.banned(t, h.AgentID))
		})
	})
}

type noStore struct {
	fleet.Placements
	err error
}

func (n noStore) PlacedByID(context.Context, identity.Kind, []string) ([]fleet.Placed, error) {
	return nil, n.err
}

func (n noStore) RevokedHosts(context.Context, []spiffeid.ID) ([]identity.HostID, error) {
	return nil, n.err
}

func TestReconcilerFollowsWhileSPIREIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.enroll(t, connector("c-01"), tunneler("t-01"))
		w.spire.Attest(h.AgentID)
		r := w.reconcile(t, nil)
		r.ready(t)
		w.spire.Away(true)
		w.revoke(t, connector("c-01"))
		w.revoke(t, tunneler("t-01"))
		late := w.enroll(t, tunneler("t-02"))
		pass(2 * time.Minute)
		err, _ := r.last()
		require.Error(t, err, "readiness is told")
		calls := w.spire.Calls()
		require.Less(t, calls["EntriesOf"], 3*30, "the pauses grow")
		w.spire.Away(false)
		pass(10 * time.Second)
		r.ready(t)
		w.has(t, byID(own(), w.entry(t, tunneler("t-02"), late)), "within 10 s of its return")
		require.True(t, w.banned(t, h.AgentID))
	})
}
