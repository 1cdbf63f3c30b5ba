package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// rows is a store in memory that counts its reads and the rows that they return.
type rows struct {
	changelogtest.Log

	mu      sync.Mutex
	hosts   map[identity.HostID]fleet.Host
	byAgent map[spiffeid.ID]identity.HostID
	members map[identity.Workload]fleet.Member
	sorted  []string // of the tunnelers; nil when one was added
	reads   map[string]int
	returned,
	most int // rows in all, and of the largest read
}

func newRows() *rows {
	return &rows{
		hosts: map[identity.HostID]fleet.Host{}, byAgent: map[spiffeid.ID]identity.HostID{},
		members: map[identity.Workload]fleet.Member{}, reads: map[string]int{},
	}
}

// read counts; it needs r.mu.
func (r *rows) read(method string, n int) {
	r.reads[method]++
	r.returned += n
	r.most = max(r.most, n)
}

func (r *rows) placed(m fleet.Member) fleet.Placed {
	return fleet.Placed{Member: m, Host: r.hosts[m.HostID]}
}

func (r *rows) PlacedByID(_ context.Context, k identity.Kind, ids []string) (out []fleet.Placed, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if m, ok := r.members[identity.Workload{Kind: k, ID: id}]; ok {
			out = append(out, r.placed(m))
		}
	}
	r.read("PlacedByID", len(out))
	return out, nil
}

func (r *rows) PlacedAfter(_ context.Context, k identity.Kind, after string, limit int) (out []fleet.Placed, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k != identity.KindTunneler {
		return nil, nil
	}
	if r.sorted == nil {
		for w := range maps.Keys(r.members) {
			r.sorted = append(r.sorted, w.ID)
		}
		slices.Sort(r.sorted)
	}
	i, found := slices.BinarySearch(r.sorted, after)
	if found {
		i++
	}
	for _, id := range r.sorted[i:min(i+limit, len(r.sorted))] {
		out = append(out, r.placed(r.members[tunneler(id)]))
	}
	r.read("PlacedAfter", len(out))
	return out, nil
}

func (r *rows) PlacedOn(context.Context, identity.HostID) ([]fleet.Placed, error) {
	return nil, errors.New("no host here is ephemeral")
}

func (r *rows) HostByID(_ context.Context, id identity.HostID) (fleet.Host, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read("HostByID", 1)
	h, ok := r.hosts[id]
	if !ok {
		return h, fleet.ErrNotFound
	}
	return h, nil
}

func (r *rows) RevokedHosts(_ context.Context, agents []spiffeid.ID) (out []identity.HostID, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range agents {
		if h := r.hosts[r.byAgent[a]]; !h.RevokedAt.IsZero() {
			out = append(out, h.ID)
		}
	}
	r.read("RevokedHosts", len(out))
	return out, nil
}

// enroll writes a tunneler on a host of its own, and its changes as the store does.
func (r *rows) enroll(t *testing.T, id string) fleet.Placed {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	h := fleet.Host{ID: identity.NewHostID()}
	var err error
	h.AgentID, err = h.ID.AgentID(td)
	require.NoError(t, err)
	m := fleet.Member{Workload: tunneler(id), HostID: h.ID, Selectors: []fleet.Selector{{Type: "unix", Value: "uid:1000"}}}
	r.hosts[h.ID], r.byAgent[h.AgentID], r.members[m.Workload], r.sorted = h, h.ID, m, nil
	r.Add(changelog.Change{Kind: changelog.Host, ID: string(h.ID), Op: changelog.Created},
		changelog.Change{Kind: changelog.Tunneler, ID: id, Op: changelog.Created})
	return fleet.Placed{Member: m, Host: h}
}

func (r *rows) revoke(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[tunneler(id)]
	h := r.hosts[m.HostID]
	m.RevokedAt, h.RevokedAt = time.Now(), time.Now()
	r.members[m.Workload], r.hosts[h.ID] = m, h
	r.Add(changelog.Change{Kind: changelog.Tunneler, ID: id, Op: changelog.Revoked},
		changelog.Change{Kind: changelog.Host, ID: string(h.ID), Op: changelog.Revoked})
}

// counted is what a part of the test cost.
type counted struct {
	SPIRE, Store map[string]int
	Rows, Most   int
}

func (r *rows) cost(s *enrolltest.SPIRE) counted {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := counted{s.Calls(), r.reads, r.returned, r.most}
	r.reads, r.returned, r.most = map[string]int{}, 0, 0
	return c
}

// TestAnEnrollmentCostsTheSameWhateverTheFleet counts calls of SPIRE and reads of the
// store, which do not depend on the machine that runs the test.
func TestAnEnrollmentCostsTheSameWhateverTheFleet(t *testing.T) {
	t.Parallel()
	var enrolled, revoked []counted
	for _, members := range []int{1_000, 50_000} {
		synctest.Test(t, func(t *testing.T) {
			w, store := &world{spire: enrolltest.NewSPIRE(td)}, newRows()
			for i := range members {
				p := store.enroll(t, fmt.Sprintf("t-%06d", i))
				e, err := fleet.EntryFor(p.Member, p.Host, td, svidOf)
				require.NoError(t, err)
				require.NoError(t, w.spire.PutEntry(t.Context(), e))
				w.spire.Attest(p.Host.AgentID)
			}
			store.cost(w.spire)
			r := w.reconcile(t, func(c *fleet.ReconcilerConfig) { c.Store, c.Changes = store, store })
			r.ready(t)
			all := store.cost(w.spire)
			require.LessOrEqual(t, all.Most, 500, "a comparison holds a page at a time")
			require.Equal(t, 1, all.SPIRE["PutEntry"], "only our own was missing")
			require.Zero(t, all.SPIRE["EntriesOf"]+all.SPIRE["Agent"]+all.SPIRE["DeleteEntry"])

			store.enroll(t, "new")
			store.Wake()
			synctest.Wait()
			pass(10 * time.Second)
			enrolled = append(enrolled, store.cost(w.spire))
			store.revoke("t-000007")
			store.Wake()
			synctest.Wait()
			revoked = append(revoked, store.cost(w.spire))
			r.ready(t)
		})
	}
	require.Empty(t, cmp.Diff(enrolled[0], enrolled[1]), "an enrollment")
	require.Empty(t, cmp.Diff(revoked[0], revoked[1]), "a revocation")
	require.Empty(t, cmp.Diff(counted{
		SPIRE: map[string]int{"EntriesOf": 1, "PutEntry": 1}, Store: map[string]int{"HostByID": 1, "PlacedByID": 1}, Rows: 2, Most: 1,
	}, enrolled[1]))
	require.Empty(t, cmp.Diff(counted{
		SPIRE: map[string]int{"EntriesOf": 1, "DeleteEntry": 1, "Agent": 1, "BanAgent": 1},
		Store: map[string]int{"HostByID": 1, "PlacedByID": 1}, Rows: 2, Most: 1,
	}, revoked[1]))
}

// mortal has its reconciler die at one of its calls, and everything after it fail.
type mortal struct {
	*rows
	*enrolltest.SPIRE

	mu    sync.Mutex
	calls int
	at    int // the call at which it dies; 0 is never
	die   func()
}

var errKilled = errors.New("killed")

func (m *mortal) step() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.at == 0 || m.calls < m.at {
		return nil
	}
	m.die()
	return errKilled
}

func (m *mortal) ChangePosition(ctx context.Context) (uint64, error) {
	if err := m.step(); err != nil {
		return 0, err
	}
	return m.rows.ChangePosition(ctx)
}

func (m *mortal) Changes(ctx context.Context, after uint64, limit int) ([]changelog.Change, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	return m.rows.Changes(ctx, after, limit)
}

func (m *mortal) EntriesOf(ctx context.Context, id spiffeid.ID) ([]fleet.Entry, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	return m.SPIRE.EntriesOf(ctx, id)
}

func (m *mortal) PlacedByID(ctx context.Context, k identity.Kind, ids []string) ([]fleet.Placed, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	return m.rows.PlacedByID(ctx, k, ids)
}

func (m *mortal) HostByID(ctx context.Context, id identity.HostID) (fleet.Host, error) {
	if err := m.step(); err != nil {
		return fleet.Host{}, err
	}
	return m.rows.HostByID(ctx, id)
}

func (m *mortal) PutEntry(ctx context.Context, e fleet.Entry) error {
	if err := m.step(); err != nil {
		return err
	}
	return m.SPIRE.PutEntry(ctx, e)
}

func (m *mortal) DeleteEntry(ctx context.Context, id string) error {
	if err := m.step(); err != nil {
		return err
	}
	return m.SPIRE.DeleteEntry(ctx, id)
}

func (m *mortal) BanAgent(ctx context.Context, id spiffeid.ID) error {
	if err := m.step(); err != nil {
		return err
	}
	return m.SPIRE.BanAgent(ctx, id)
}

func (m *mortal) EachEntries(ctx context.Context, fn func([]fleet.Entry) error) error {
	if err := m.step(); err != nil {
		return err
	}
	return m.SPIRE.EachEntries(ctx, fn)
}

// TestAReconcilerThatIsKilledAnywhereLeavesNothingBehind: the next one ends in the same
// state, wherever the first one died, also when the log was pruned meanwhile.
func TestAReconcilerThatIsKilledAnywhereLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for at, whole := 1, false; !whole; at++ {
		require.Less(t, at, 200)
		synctest.Test(t, func(t *testing.T) {
			w := &world{spire: enrolltest.NewSPIRE(td)}
			m := &mortal{rows: newRows(), SPIRE: w.spire}
			stays, goes, moves := m.enroll(t, "stays"), m.enroll(t, "goes"), m.enroll(t, "moves")
			for _, p := range []fleet.Placed{stays, goes, moves} {
				w.spire.Attest(p.Host.AgentID)
			}
			change := func(c *fleet.ReconcilerConfig) { c.Store, c.Changes, c.SPIRE = m, m, m }
			first := w.reconcile(t, change)
			m.mu.Lock()
			m.calls, m.at, m.die = 0, at, func() { go first.stop() }
			m.mu.Unlock()
			m.revoke("goes")
			m.revoke("moves")
			moved := m.enroll(t, "moves")
			added := m.enroll(t, "new")
			m.Wake()
			synctest.Wait()
			pass(5 * time.Second)
			first.stop()
			m.mu.Lock()
			whole, m.at = m.calls < at, 0
			m.mu.Unlock()
			m.Prune(at % 3)

			w.reconcile(t, change).ready(t)
			want := byID(own())
			for _, p := range []fleet.Placed{stays, moved, added} {
				e, err := fleet.EntryFor(p.Member, p.Host, td, svidOf)
				require.NoError(t, err)
				want[e.ID] = e
			}
			w.has(t, want, fmt.Sprint("killed at call ", at))
			for _, p := range []fleet.Placed{stays, goes, moves} {
				require.Equal(t, p.Host.ID != stays.Host.ID, w.banned(t, p.Host.AgentID), "killed at call %d", at)
			}
		})
	}
}
