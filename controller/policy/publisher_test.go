package policy_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const patience = 20 * time.Second

// memory is a store whose rows, revision and change log change together, as in a
// transaction.
type memory struct {
	*changelogtest.Log
	changelogtest.Rules

	mu         sync.Mutex
	revision   uint64
	connectors []fleet.Connector
	tunnelers  []fleet.Tunneler
	denials    []fleet.Denial
	fail       error
	whole      int // reads of the whole fleet
	asked      []string
	denied     int // denials that were read
}

func newMemory(revision uint64) *memory {
	return &memory{Log: &changelogtest.Log{}, revision: revision}
}

func (m *memory) PolicyRevision(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.whole++
	return m.revision, m.fail
}

func (m *memory) Connectors(context.Context) ([]fleet.Connector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]fleet.Connector(nil), m.connectors...), m.fail
}

func (m *memory) Tunnelers(context.Context) ([]fleet.Tunneler, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]fleet.Tunneler(nil), m.tunnelers...), m.fail
}

func (m *memory) ConnectorsByID(_ context.Context, ids []string) (out []fleet.Connector, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, ids...)
	for _, c := range m.connectors {
		if slices.Contains(ids, c.ID) {
			out = append(out, c)
		}
	}
	return out, m.fail
}

func (m *memory) TunnelersByID(_ context.Context, ids []string) (out []fleet.Tunneler, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, ids...)
	for _, t := range m.tunnelers {
		if slices.Contains(ids, t.ID) {
			out = append(out, t)
		}
	}
	return out, m.fail
}

func (m *memory) Denials(_ context.Context, after uint64, _ time.Time) (out []fleet.Denial, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.denials {
		if d.Seq > after {
			out = append(out, d)
		}
	}
	m.denied += len(out)
	return out, m.fail
}

// change commits what fn does; the log names the members that are not as before, and
// nobody is woken.
func (m *memory) change(fn func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.rows()
	m.revision++
	fn()
	after := m.rows()
	for w, text := range after {
		if before[w] != text {
			m.Add(changelog.Change{Kind: changelog.Kind(w.Kind), ID: w.ID, Op: changelog.Changed})
		}
		delete(before, w)
	}
	for w := range before {
		m.Add(changelog.Change{Kind: changelog.Kind(w.Kind), ID: w.ID, Op: changelog.Deleted})
	}
	m.Add(changelog.Change{Kind: changelog.Policy, ID: strconv.FormatUint(m.revision, 10), Op: changelog.Changed})
}

func (m *memory) rows() map[identity.Workload]string {
	out := map[identity.Workload]string{}
	for _, c := range m.connectors {
		out[c.Workload] = fmt.Sprint(c.EnrolledAt, c.RevokedAt, c.Version, c.Addresses, c.NetworkID)
	}
	for _, t := range m.tunnelers {
		out[t.Workload] = fmt.Sprint(t.EnrolledAt, t.RevokedAt, t.Version)
	}
	return out
}

// failing has every read fail with err.
func (m *memory) failing(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func member(k identity.Kind, id string, enrolled time.Time) fleet.Member {
	return fleet.Member{Workload: identity.Workload{Kind: k, ID: id}, HostID: mtlstest.HostOf(id), EnrolledAt: enrolled}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	enrolled := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	now := enrolled.Add(time.Hour)
	revoked := member(identity.KindTunneler, "revoked", enrolled)
	revoked.RevokedAt = now
	revokedConnector := member(identity.KindConnector, "revoked", enrolled)
	revokedConnector.RevokedAt = now
	s := newMemory(7)
	s.connectors = []fleet.Connector{
		{Member: member(identity.KindConnector, "c-01", enrolled), NetworkID: "plant", Addresses: []string{"c-01:9443"}, PrivateIP: "10.0.0.7"},
		{Member: revokedConnector, Addresses: []string{"old:9443"}},
	}
	s.tunnelers = []fleet.Tunneler{{Member: member(identity.KindTunneler, "t-01", enrolled)}, {Member: revoked}}
	p := policy.NewPublisher(td, s, zap.NewNop(), func() time.Time { return now })

	t.Run("names nobody before the first refresh", func(t *testing.T) {
		empty := policy.NewPublisher(td, s, zap.NewNop(), time.Now).Current()
		require.Zero(t, empty.Revision)
		require.False(t, empty.Names(identity.Workload{Kind: identity.KindTunneler, ID: "t-01"}))
		require.False(t, empty.Names(identity.Workload{}))
	})
	require.NoError(t, p.Refresh(t.Context()))
	t.Run("holds what is live and nothing else", func(t *testing.T) {
		now := p.Current()
		require.Equal(t, uint64(7), now.Revision)
		require.Equal(t, enrolled.Add(time.Hour), now.IssuedAt)
		require.Empty(t, cmp.Diff(map[string]policy.Tunneler{
			"t-01": {SPIFFEID: spiffeid.RequireFromPath(td, "/tunneler/t-01"), HostID: mtlstest.HostOf("t-01"), SVIDNotBefore: enrolled.Add(-10 * time.Second)},
		}, maps.Collect(now.Tunnelers.All()), cmp.Comparer(func(a, b spiffeid.ID) bool { return a == b })))
		require.Empty(t, cmp.Diff(map[string]policy.Connector{"c-01": {
			ID: "c-01", SPIFFEID: spiffeid.RequireFromPath(td, "/connector/c-01"), NetworkID: "plant", Addresses: []string{"c-01:9443"},
			HostID: mtlstest.HostOf("c-01"), SVIDNotBefore: enrolled.Add(-10 * time.Second),
		}}, maps.Collect(now.Connectors.All()), cmp.Comparer(func(a, b spiffeid.ID) bool { return a == b })))
	})
	for name, c := range map[string]struct {
		kind      identity.Kind
		id        string
		notBefore time.Time
		want      bool
	}{
		"a live tunneler":                       {identity.KindTunneler, "t-01", now, true},
		"a live connector":                      {identity.KindConnector, "c-01", now, true},
		"an SVID of the moment of enrollment":   {identity.KindTunneler, "t-01", enrolled.Add(-10 * time.Second).Truncate(time.Second), true},
		"an SVID of a former holder":            {identity.KindTunneler, "t-01", enrolled.Add(-11 * time.Second), false},
		"a zero notBefore":                      {identity.KindTunneler, "t-01", time.Time{}, false},
		"a revoked tunneler":                    {identity.KindTunneler, "revoked", now, false},
		"a revoked connector":                   {identity.KindConnector, "revoked", now, false},
		"a tunneler with the id of a connector": {identity.KindTunneler, "c-01", now, false},
		"a controller":                          {identity.KindController, "c-01", now, false},
		"a tunneler that nobody knows":          {identity.KindTunneler, "t-02", now, false},
		"nobody":                                {"", "", now, false},
	} {
		t.Run("decides about "+name, func(t *testing.T) {
			w := identity.Workload{Kind: c.kind, ID: c.id}
			require.Equal(t, c.want, p.Current().Admits(w, identity.Issue{Host: mtlstest.HostOf(c.id), NotBefore: c.notBefore}))
			for _, former := range []identity.HostID{"", "-", mtlstest.HostOf("a former holder")} {
				require.False(t, p.Current().Admits(w, identity.Issue{Host: former, NotBefore: now}), "an SVID of another host, issued after the enrollment of this one")
			}
		})
	}
	t.Run("is not made of a row that is no id", func(t *testing.T) {
		before := p.Current()
		s.change(func() {
			s.tunnelers = append(s.tunnelers, fleet.Tunneler{Member: member(identity.KindTunneler, "../connector/c-01", enrolled)})
		})
		require.ErrorIs(t, p.Refresh(t.Context()), identity.ErrInvalidID)
		require.Same(t, before, p.Current(), "the old one stays")
	})
}

func TestRefreshPublishesOnlyNews(t *testing.T) {
	t.Parallel()
	c := hosttest.NewClock(time.Now())
	s := newMemory(1)
	p := policy.NewPublisher(td, s, zap.NewNop(), c.Now)
	changed, unsubscribe := p.Subscribe()
	told := func() bool {
		select {
		case <-changed:
			return true
		default:
			return false
		}
	}
	require.NoError(t, p.Refresh(t.Context()))
	require.True(t, told())
	first := p.Current()
	c.Advance(9 * time.Minute)
	require.NoError(t, p.Refresh(t.Context()))
	require.False(t, told(), "unchanged and young")
	require.Same(t, first, p.Current())
	c.Advance(time.Minute)
	require.NoError(t, p.Refresh(t.Context()))
	require.True(t, told(), "unchanged, but connectors judge a policy by its age")
	require.Equal(t, first.Revision, p.Current().Revision)
	require.Greater(t, p.Current().IssuedAt, first.IssuedAt)
	c.Advance(-24 * time.Hour)
	require.NoError(t, p.Refresh(t.Context()))
	require.True(t, told(), "the clock was set back: it would be young for a day")
	require.NoError(t, p.Refresh(t.Context()))
	require.False(t, told(), "and is, from now on")

	s.change(func() { s.tunnelers = []fleet.Tunneler{{Member: member(identity.KindTunneler, "t-01", c.Now())}} })
	s.fail = errors.New("disk full")
	require.ErrorIs(t, p.Refresh(t.Context()), s.fail)
	require.False(t, told(), "what cannot be read is not published")
	require.Equal(t, uint64(1), p.Current().Revision)
	s.fail = nil
	require.NoError(t, p.Refresh(t.Context()))
	require.True(t, told())

	unsubscribe()
	s.change(func() {})
	require.NoError(t, p.Refresh(t.Context()))
	require.False(t, told(), "who unsubscribed hears nothing")
}

// TestRevisionsOnlyGrow under concurrent changes and refreshes; a snapshot is never
// older than its revision says; a subscriber that is slow ends with the last one.
func TestRevisionsOnlyGrow(t *testing.T) {
	t.Parallel()
	s := newMemory(1)
	p := policy.NewPublisher(td, s, zap.NewNop(), time.Now)
	const writers, changes = 8, 50
	stop := make(chan struct{})
	var readers, writing sync.WaitGroup
	for range 4 {
		changed, unsubscribe := p.Subscribe()
		readers.Go(func() {
			defer unsubscribe()
			last := uint64(0)
			for {
				select {
				case <-changed:
				case <-stop:
					return
				}
				now := p.Current()
				if now.Revision < last || now.Tunnelers.Len() < int(now.Revision)-1 {
					t.Errorf("revision %d with %d tunnelers after %d", now.Revision, now.Tunnelers.Len(), last)
				}
				last = now.Revision
			}
		})
	}
	slow, unsubscribe := p.Subscribe()
	defer unsubscribe()
	for w := range writers {
		writing.Go(func() {
			for i := range changes {
				s.change(func() {
					id := "t-" + strconv.Itoa(w) + "-" + strconv.Itoa(i)
					s.tunnelers = append(s.tunnelers, fleet.Tunneler{Member: member(identity.KindTunneler, id, time.Now())})
				})
				if err := p.Refresh(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	readers.Wait()
	require.Len(t, slow, 1, "many changes, one value")
	<-slow
	require.Equal(t, uint64(writers*changes+1), p.Current().Revision, "and it is of the last")
	require.Equal(t, writers*changes, p.Current().Tunnelers.Len())
}

func TestRun(t *testing.T) {
	t.Parallel()
	s := newMemory(1)
	s.fail = errors.New("starting")
	p := policy.NewPublisher(td, s, zap.NewNop(), time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	reads := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.whole
	}
	require.Eventually(t, func() bool { return reads() > 0 }, patience, time.Millisecond, "a snapshot at start")
	s.change(func() { s.fail = nil })
	require.Eventually(t, func() bool { return p.Current().Revision == 2 }, patience, time.Millisecond, "a failure is retried within a second")
	s.change(func() {})
	for range 10 {
		s.Wake() // never blocks
	}
	require.Eventually(t, func() bool { return p.Current().Revision == 3 }, patience, time.Millisecond, "a wake-up is a snapshot now")
	cancel()
	require.NoError(t, <-done)
}

func TestAPublisherIsAliveWhileItsStoreFailsAndNotWhileItHangs(t *testing.T) {
	t.Parallel()
	store := newMemory(1)
	store.fail = errors.New("connection refused")
	p := policy.NewPublisher(td, store, zap.NewNop(), time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	long, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	require.NoError(t, p.Alive(long), "between two tries it answers")

	store.mu.Lock() // a query that does not come back
	hung := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		return errors.Is(p.Alive(ctx), health.ErrHangs)
	}
	require.Eventually(t, hung, patience, time.Millisecond)
	store.mu.Unlock()
	require.NoError(t, p.Alive(long))
}

// TestAChangeReadsOnlyWhatChanged: the cost of a change is not that of the fleet, and
// the snapshot says who it is about.
func TestAChangeReadsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	c := hosttest.NewClock(time.Now())
	s := newMemory(1)
	for i := range 100 {
		s.tunnelers = append(s.tunnelers, fleet.Tunneler{Member: member(identity.KindTunneler, fmt.Sprintf("t-%03d", i), c.Now())})
	}
	s.connectors = []fleet.Connector{{Member: member(identity.KindConnector, "c-01", c.Now())}, {Member: member(identity.KindConnector, "c-02", c.Now())}}
	for i := range 100 {
		s.denials = append(s.denials, fleet.Denial{Seq: uint64(i + 1), Workload: s.tunnelers[i].Workload, SVIDNotBefore: c.Now()})
	}
	p := policy.NewPublisher(td, s, zap.NewNop(), c.Now)
	require.NoError(t, p.Refresh(t.Context()))
	first, whole, denied := p.Current(), s.whole, s.denied
	s.change(func() {
		s.tunnelers[7].RevokedAt = c.Now()
		s.denials = append(s.denials, fleet.Denial{Seq: 101, Workload: s.tunnelers[7].Workload, SVIDNotBefore: c.Now()})
		s.connectors[1].Addresses = []string{"new:9443"}
		s.tunnelers[8].Version = "v2" // not in the policy
	})
	require.NoError(t, p.Refresh(t.Context()))
	require.ElementsMatch(t, []string{"t-007", "t-008", "c-02"}, s.asked)
	require.Equal(t, whole, s.whole, "the whole fleet was read")
	require.Equal(t, denied+1, s.denied, "all denials were read")
	require.Len(t, p.Current().Denials, 101)
	require.Len(t, first.Denials, 100, "a snapshot does not change")
	now := p.Current()
	require.Equal(t, uint64(2), now.Revision)
	require.Equal(t, []string{"t-007"}, changes(t, now.Tunnelers, first.Revision, first.Tunnelers))
	require.Equal(t, []string{"c-02"}, changes(t, now.Connectors, first.Revision, first.Connectors))
	require.False(t, now.Names(identity.Workload{Kind: identity.KindTunneler, ID: "t-007"}))
	require.True(t, now.Names(identity.Workload{Kind: identity.KindTunneler, ID: "t-008"}))

	// What the log did not say is found by the comparison.
	s.tunnelers = s.tunnelers[1:]
	s.revision++
	require.NoError(t, p.Refresh(t.Context()))
	require.Equal(t, uint64(2), p.Current().Revision)
	c.Advance(10 * time.Minute)
	require.NoError(t, p.Refresh(t.Context()))
	require.Equal(t, []string{"t-000"}, changes(t, p.Current().Tunnelers, now.Revision, now.Tunnelers))
	require.Equal(t, []string{"t-000", "t-007"}, changes(t, p.Current().Tunnelers, first.Revision, first.Tunnelers))
	require.Empty(t, changes(t, p.Current().Connectors, now.Revision, now.Connectors))
	require.Equal(t, uint64(3), p.Current().Revision)
}

func changes[T any](t *testing.T, now policy.Members[T], revision uint64, then policy.Members[T]) []string {
	t.Helper()
	ids, ok := now.Since(revision, then.Digest())
	require.True(t, ok)
	return ids
}

// TestWhoIsTooFarBehindIsNotToldWhatChanged: nor whoever had something else at that
// revision, or is to hear of more than there is.
func TestWhoIsTooFarBehindIsNotToldWhatChanged(t *testing.T) {
	t.Parallel()
	s := newMemory(1)
	tunnelers := func(n int) {
		s.change(func() {
			for range n {
				id := fmt.Sprintf("t-%05d", len(s.tunnelers))
				s.tunnelers = append(s.tunnelers, fleet.Tunneler{Member: member(identity.KindTunneler, id, time.Unix(1_800_000_000, 0))})
			}
		})
	}
	p := policy.NewPublisher(td, s, zap.NewNop(), time.Now)
	require.Empty(t, changes(t, p.Current().Tunnelers, 0, p.Current().Tunnelers))
	require.NoError(t, p.Refresh(t.Context()))
	empty := p.Current()
	tunnelers(3)
	require.NoError(t, p.Refresh(t.Context()))
	three := p.Current()
	tunnelers(1)
	require.NoError(t, p.Refresh(t.Context()))
	now := p.Current()
	require.Equal(t, []string{"t-00003"}, changes(t, now.Tunnelers, three.Revision, three.Tunnelers))
	for name, c := range map[string]struct {
		revision uint64
		digest   delta.Digest
	}{
		"before the first revision":     {empty.Revision - 1, empty.Tunnelers.Digest()},
		"something else":                {three.Revision, empty.Tunnelers.Digest()},
		"something else, and from ours": {now.Revision, three.Tunnelers.Digest()},
		"nothing at all":                {0, delta.Digest{}.Add(now.Tunnelers.Digest()).Add(now.Tunnelers.Digest())},
	} {
		_, ok := now.Tunnelers.Since(c.revision, c.digest)
		require.False(t, ok, name)
	}
	require.Empty(t, changes(t, now.Tunnelers, 0, now.Tunnelers), "the same is the same, whenever it was")

	// History is bounded by what it holds.
	for range 3 {
		tunnelers(8000)
		require.NoError(t, p.Refresh(t.Context()))
	}
	_, ok := p.Current().Tunnelers.Since(now.Revision, now.Tunnelers.Digest())
	require.False(t, ok)
}
