package fleet_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// line is one of a list, as the whole is looked at.
type line struct {
	id, version, hostname string
	status                presence.Status
	seen, enrolled        time.Time
	revoked               bool
	labels                access.Labels
	texts                 []string
}

func (l line) key(s fleet.Sort) string {
	switch s {
	case fleet.ByEnrolled:
		return fleet.TimeKey(l.enrolled)
	case fleet.BySeen:
		return fleet.TimeKey(l.seen)
	case fleet.ByVersion:
		return fleet.NumberKey(l.version)
	case fleet.ByHostname:
		return l.hostname
	case fleet.ByStatus:
		return string(l.status)
	default:
		return l.id
	}
}

// naive is what a list should have: everything is filtered, then sorted.
func naive(all []line, q fleet.Query) (ids []string) {
	all = slices.DeleteFunc(slices.Clone(all), func(l line) bool {
		found := slices.ContainsFunc(l.texts, func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(q.Search)) })
		return l.revoked != q.Revoked || q.Status != "" && l.status != q.Status || q.Search != "" && !found || !l.labels.Has(q.Labels)
	})
	slices.SortFunc(all, func(a, b line) int {
		if q.Descending {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(a.key(q.Sort), b.key(q.Sort)), cmp.Compare(a.id, b.id))
	})
	for _, l := range all {
		ids = append(ids, l.id)
	}
	return ids
}

func lineOf(m fleet.Member, p presence.State, texts ...string) line {
	return line{
		id: m.ID, version: m.Version, status: p.Status, seen: p.LastSeen, enrolled: m.EnrolledAt, revoked: !m.Live(), labels: m.About.Labels,
		texts: append(append(texts, m.About.Labels.Texts()...), m.ID, m.About.Name, m.Version, string(m.HostID), p.RemoteAddr),
	}
}

// listed is a fleet on a store and a roster in memory.
type listed struct {
	*fleet.Fleet
	store  *memory
	roster *presence.Roster
	clock  *hosttest.Clock
}

func newListed() *listed {
	l := &listed{store: newMemory(), clock: newClock()}
	l.roster = presence.NewRoster(l.clock.Now)
	l.Fleet = fleet.New(fleet.Config{Store: l.store, Roster: l.roster, Now: l.clock.Now})
	return l
}

// lines are all members and hosts, each looked at by itself.
func (l *listed) lines(t require.TestingT) (connectors, tunnelers, hosts []line, networks map[string]fleet.Count) {
	networks = map[string]fleet.Count{}
	of := map[identity.HostID][]line{}
	for _, row := range valuesOf(l.store.connectors) {
		c, err := l.Connector(context.Background(), row.ID)
		require.NoError(t, err)
		one := lineOf(c.Member, c.Presence, append(c.Addresses, c.PrivateIP, c.NetworkID)...)
		connectors, of[c.HostID] = append(connectors, one), append(of[c.HostID], one)
		if c.Live() {
			n := networks[c.NetworkID]
			n.Total++
			if c.Presence.Status == presence.Online {
				n.Online++
			}
			networks[c.NetworkID] = n
		}
	}
	for _, row := range valuesOf(l.store.tunnelers) {
		u, err := l.Tunneler(context.Background(), row.ID)
		require.NoError(t, err)
		texts := []string{u.ConnectorID}
		for _, s := range u.Sessions {
			texts = append(texts, s.ConnectorID)
		}
		one := lineOf(u.Member, u.Presence, texts...)
		tunnelers, of[u.HostID] = append(tunnelers, one), append(of[u.HostID], one)
	}
	for _, h := range valuesOf(l.store.hosts) {
		one := line{id: string(h.ID), hostname: h.Hostname, status: presence.Offline, enrolled: h.EnrolledAt, revoked: !h.RevokedAt.IsZero(), labels: h.About.Labels, texts: append(h.About.Labels.Texts(), string(h.ID), h.Hostname)}
		for _, m := range of[h.ID] {
			one.texts = append(one.texts, m.id)
			if m.status == presence.Online {
				one.status = presence.Online
			}
			if m.seen.After(one.seen) {
				one.seen = m.seen
			}
		}
		hosts = append(hosts, one)
	}
	return connectors, tunnelers, hosts, networks
}

// pages reads a list to its end and checks each total.
func pages[T any](t require.TestingT, read func(context.Context, fleet.Query) (fleet.Page[T], error), q fleet.Query, id func(T) string, all []line) {
	want, got := naive(all, q), []string(nil)
	for range len(all) + 1 {
		p, err := read(context.Background(), q)
		require.NoError(t, err)
		require.Len(t, want, p.Total, "%+v", q)
		require.LessOrEqual(t, len(p.Items), q.Limit)
		for _, it := range p.Items {
			got = append(got, id(it))
		}
		if q.After = p.Next; q.After == (fleet.Place{}) {
			break
		}
	}
	require.Equal(t, want, got, "%+v", q)
}

func (l *listed) check(t *rapid.T) {
	lists, err := l.Lists(context.Background())
	require.NoError(t, err)
	connectors, tunnelers, hosts, networks := l.lines(t)
	live := func(all []line) (n fleet.Count) {
		n.Total, n.Online = len(naive(all, fleet.Query{})), len(naive(all, fleet.Query{Status: presence.Online}))
		return n
	}
	require.Equal(t, live(connectors), lists.ConnectorCount())
	require.Equal(t, live(tunnelers), lists.TunnelerCount())
	for _, id := range []string{"default", "lab"} {
		require.Equal(t, networks[id], lists.NetworkCount(id), id)
	}
	for _, c := range connectors {
		require.Equal(t, !c.revoked, lists.Live(connector(c.id)))
	}
	l.checkSigns(t, lists)
	sorts := rapid.SampledFrom([]fleet.Sort{fleet.ByID, fleet.ByEnrolled, fleet.BySeen, fleet.ByStatus, fleet.ByVersion})
	for range 4 {
		q := fleet.Query{
			Sort: sorts.Draw(t, "sort"), Descending: rapid.Bool().Draw(t, "descending"), Limit: rapid.IntRange(1, 4).Draw(t, "limit"),
			Status: rapid.SampledFrom([]presence.Status{"", presence.Online, presence.Offline}).Draw(t, "status"), Revoked: rapid.Bool().Draw(t, "revoked"),
			Search: rapid.SampledFrom([]string{"", "", "V1", "c1", "lab", "t", "192.0.2", "env=P"}).Draw(t, "search"),
			Labels: rapid.SampledFrom([][]access.Label{nil, nil, {{Key: "env", Value: "prod"}}, {{Key: "env", Value: "test"}}, {{Key: "tier", Value: "web"}, {Key: "env", Value: "prod"}}, {{Key: "env", Value: "pro"}}}).Draw(t, "labels"),
		}
		pages(t, lists.Connectors, q, func(c fleet.Connector) string { return c.ID }, connectors)
		pages(t, lists.Tunnelers, q, func(u fleet.Tunneler) string { return u.ID }, tunnelers)
		if q.Sort == fleet.ByVersion {
			q.Sort = fleet.ByHostname
		}
		pages(t, lists.Hosts, q, func(h fleet.HostMembers) string { return string(h.Host.ID) }, hosts)
	}
}

// checkSigns looks for what an operator is to look into.
func (l *listed) checkSigns(t *rapid.T, lists *fleet.Lists) {
	want := 0
	count := func(m fleet.Member, p presence.State, contested bool) {
		for _, it := range []bool{p.Status == presence.Online && p.Refusal != "", p.Outdated != "", contested} {
			if it && m.Live() {
				want++
			}
		}
	}
	all, err := l.Connectors(context.Background())
	require.NoError(t, err)
	for _, c := range all {
		count(c.Member, c.Presence, c.Contested)
	}
	others, err := l.Tunnelers(context.Background())
	require.NoError(t, err)
	for _, u := range others {
		count(u.Member, u.Presence, u.Contested)
	}
	total, _, _ := lists.Signs(1)
	require.Equal(t, want, total)
}

// TestListsAgreeWithTheNaiveWhole plays random enrollments, revocations, flips and
// silences. Each page of each list in each order, with each filter, the totals and the
// counts of the Overview are what the whole fleet says, member by member.
func TestListsAgreeWithTheNaiveWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newListed()
		streams := map[string]uint64{}
		cs, ts := rapid.SampledFrom([]string{"c1", "c2", "c3", "c4", "c5"}), rapid.SampledFrom([]string{"t1", "t2", "t3", "t4"})
		hs := rapid.SampledFrom([]identity.HostID{"h1", "h2", "h3"})
		labelled := rapid.SampledFrom([]access.Labels{nil, {"env": "prod"}, {"env": "test"}, {"env": "prod", "tier": "web"}, {"tier": "web"}})
		versions := rapid.SampledFrom([]string{"", "v1.9", "v1.10", "dev"})
		host := func(t *rapid.T) fleet.Host {
			id := hs.Draw(t, "host")
			if h, ok := l.store.hosts[id]; ok {
				return h
			}
			h := fleet.Host{ID: id, Hostname: fmt.Sprintf("name-%d", rapid.IntRange(0, 1).Draw(t, "name")), EnrolledAt: l.clock.Now()}
			l.store.putHost(h)
			return h
		}
		member := func(t *rapid.T, w identity.Workload) fleet.Member {
			m := fleet.Member{Workload: w, HostID: host(t).ID, Version: versions.Draw(t, "version"), EnrolledAt: l.clock.Now()}
			if rapid.Bool().Draw(t, "seen before") {
				m.LastSeenAt = l.clock.Now().Add(-time.Hour)
			}
			return m
		}
		t.Repeat(map[string]func(*rapid.T){
			"enroll a connector": func(t *rapid.T) {
				m := member(t, connector(cs.Draw(t, "connector")))
				l.store.putConnector(fleet.Connector{Member: m, NetworkID: rapid.SampledFrom([]string{"default", "lab"}).Draw(t, "network"), Contested: !l.store.hosts[m.HostID].ContestedAt.IsZero()})
			},
			"enroll a tunneler": func(t *rapid.T) {
				m := member(t, tunneler(ts.Draw(t, "tunneler")))
				l.store.putTunneler(fleet.Tunneler{Member: m, Contested: !l.store.hosts[m.HostID].ContestedAt.IsZero()})
			},
			"revoke a connector": func(t *rapid.T) {
				if c, ok := l.store.connectors[cs.Draw(t, "connector")]; ok {
					c.RevokedAt = l.clock.Now()
					l.store.putConnector(c)
					if rapid.Bool().Draw(t, "the roster knows") {
						l.roster.Forget(c.Workload)
					}
				}
			},
			"revoke a tunneler": func(t *rapid.T) {
				if u, ok := l.store.tunnelers[ts.Draw(t, "tunneler")]; ok {
					u.RevokedAt = l.clock.Now()
					l.store.putTunneler(u)
					l.roster.Forget(u.Workload)
				}
			},
			"a host is contested or revoked": func(t *rapid.T) {
				h := host(t)
				if rapid.Bool().Draw(t, "contested") {
					h.ContestedAt = l.clock.Now()
				} else {
					h.RevokedAt = l.clock.Now()
				}
				l.store.putHost(h)
			},
			"labels of a connector": func(t *rapid.T) {
				if c, ok := l.store.connectors[cs.Draw(t, "connector")]; ok {
					c.About.Labels, c.About.Name = labelled.Draw(t, "labels"), versions.Draw(t, "name")
					l.store.putConnector(c)
				}
			},
			"labels of a tunneler": func(t *rapid.T) {
				if u, ok := l.store.tunnelers[ts.Draw(t, "tunneler")]; ok {
					u.About.Labels = labelled.Draw(t, "labels")
					l.store.putTunneler(u)
				}
			},
			"labels of a host": func(t *rapid.T) {
				h := host(t)
				h.About.Labels = labelled.Draw(t, "labels")
				l.store.putHost(h)
			},
			"stream": func(t *rapid.T) {
				id := cs.Draw(t, "connector")
				streams[id] = l.roster.ConnectorUp(presence.Arrival{ID: id, InstanceID: versions.Draw(t, "process")}, "192.0.2.1:1", presence.SVID{})
			},
			"heartbeat": func(t *rapid.T) {
				id := cs.Draw(t, "connector")
				l.roster.ConnectorBeat(id, streams[id], presence.SVID{}, 1)
				l.roster.ConnectorRefuses(id, streams[id], rapid.SampledFrom([]string{"", "older"}).Draw(t, "refusal"))
			},
			"stream ends": func(t *rapid.T) {
				id := cs.Draw(t, "connector")
				l.roster.ConnectorDown(id, streams[id])
			},
			"report": func(t *rapid.T) {
				l.roster.TunnelerReport(cs.Draw(t, "connector"), presence.Report{
					TunnelerID: ts.Draw(t, "tunneler"), Version: versions.Draw(t, "version"), Since: l.clock.Now(), Detached: rapid.IntRange(0, 3).Draw(t, "ends") == 0,
				})
			},
			"outdated": func(t *rapid.T) {
				l.roster.Outdated(tunneler(ts.Draw(t, "tunneler")), rapid.SampledFrom([]string{"", "upgrade"}).Draw(t, "why"))
			},
			"time": func(t *rapid.T) {
				l.clock.Advance(time.Duration(rapid.IntRange(1, 40_000).Draw(t, "ms")) * time.Millisecond)
			},
			"the log is pruned": func(*rapid.T) { l.store.pruned = len(l.store.log) },
			"":                  l.check,
		})
	})
}

// TestAPlaceThatNoPageHadIsRefused: it comes from a caller.
func TestAPlaceThatNoPageHadIsRefused(t *testing.T) {
	t.Parallel()
	lists := fleet.NewLists(presence.NewRoster(time.Now), nil, nil, nil)
	for _, q := range []fleet.Query{
		{Sort: fleet.ByID, After: fleet.Place{Key: "a", ID: "b"}},
		{Sort: fleet.ByID, After: fleet.Place{Key: "a"}},
		{Sort: fleet.ByVersion, After: fleet.Place{Key: "v1"}},
		{Sort: fleet.ByStatus, After: fleet.Place{Key: "MAYBE", ID: "a"}},
		{Sort: fleet.ByEnrolled, After: fleet.Place{Key: "1", ID: "a"}},
		{Sort: fleet.ByEnrolled, After: fleet.Place{Key: "-0000000000000000001", ID: "a"}},
		{Sort: fleet.BySeen, After: fleet.Place{Key: "99999999999999999999", ID: "a"}},
		{Sort: fleet.BySeen, After: fleet.Place{Key: "0000000000000000000x", ID: "a"}},
	} {
		q.Limit = 1
		_, err := lists.Connectors(t.Context(), q)
		require.ErrorIs(t, err, fleet.ErrPlace, "%+v", q)
		_, err = lists.Hosts(t.Context(), q)
		require.ErrorIs(t, err, fleet.ErrPlace, "%+v", q)
	}
}

// stuck is a roster that is asked while a search runs.
type stuck struct {
	fleet.Present
	asked, free chan struct{}
}

func (s stuck) Connector(string, time.Time) presence.State {
	s.asked <- struct{}{}
	<-s.free
	return presence.State{}
}

// TestOnlyAFewSearchesRunAtOnce: each costs the time of the fleet. One that waits ends
// with its caller, and a page by id waits for none.
func TestOnlyAFewSearchesRunAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		roster := presence.NewRoster(time.Now)
		rows := []fleet.Connector{{Member: fleet.Member{Workload: connector("a")}}}
		s := stuck{Present: roster, asked: make(chan struct{}), free: make(chan struct{})}
		ready := make(chan *fleet.Lists)
		go func() { ready <- fleet.NewLists(s, rows, nil, nil) }()
		<-s.asked // as they are made
		s.free <- struct{}{}
		lists := <-ready
		search := func(ctx context.Context, q fleet.Query) <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := lists.Connectors(ctx, q)
				done <- err
			}()
			return done
		}
		first := search(t.Context(), fleet.Query{Search: "x", Limit: 1})
		<-s.asked
		second := search(t.Context(), fleet.Query{Search: "x", Limit: 1})
		<-s.asked
		p, err := lists.Connectors(t.Context(), fleet.Query{Limit: 1, Status: presence.Online})
		require.NoError(t, err)
		require.Zero(t, p.Total)
		for _, q := range []fleet.Query{{Search: "x", Limit: 1}, {Sort: fleet.BySeen, Limit: 1}} {
			ctx, cancel := context.WithCancel(t.Context())
			third := search(ctx, q)
			synctest.Wait()
			require.Empty(t, third)
			select {
			case <-s.asked:
				require.Fail(t, "a third one runs")
			default:
			}
			cancel()
			require.ErrorIs(t, <-third, context.Canceled)
		}
		close(s.free)
		require.NoError(t, errors.Join(<-first, <-second))
	})
}

// leaving is a roster that is asked while a search runs.
type leaving struct {
	fleet.Present
	asked func()
}

func (l *leaving) Connector(id string, stored time.Time) presence.State {
	l.asked()
	return l.Present.Connector(id, stored)
}

// TestASearchEndsWithItsCaller: not after the whole fleet.
func TestASearchEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	var rows []fleet.Connector
	for i := range 2000 {
		rows = append(rows, fleet.Connector{Member: fleet.Member{Workload: connector(fmt.Sprintf("c%04d", i))}})
	}
	l := &leaving{Present: presence.NewRoster(time.Now), asked: func() {}}
	lists := fleet.NewLists(l, rows, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	l.asked = func() {
		asked++
		cancel()
	}
	_, err := lists.Connectors(ctx, fleet.Query{Search: "nowhere", Limit: 1})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, asked, 300)
	require.NotZero(t, asked)
}

// askedOften is a roster that counts how often it is asked.
type askedOften struct {
	fleet.Present
	asked *int
}

func (c askedOften) Connector(id string, stored time.Time) presence.State {
	*c.asked++
	return c.Present.Connector(id, stored)
}

// TestAPageCostsWhatIsOnIt: of a thousand members those are asked for that it shows.
func TestAPageCostsWhatIsOnIt(t *testing.T) {
	t.Parallel()
	roster, asked := presence.NewRoster(time.Now), 0
	var rows []fleet.Connector
	for i := range 1000 {
		rows = append(rows, fleet.Connector{Member: fleet.Member{Workload: connector(fmt.Sprintf("c%04d", i)), EnrolledAt: time.Unix(int64(i), 0)}})
		if i%2 == 0 {
			roster.ConnectorUp(presence.Arrival{ID: rows[i].ID}, "", presence.SVID{})
		}
	}
	lists := fleet.NewLists(askedOften{roster, &asked}, rows, nil, nil)
	for _, q := range []fleet.Query{
		{},
		{Status: presence.Offline},
		{Status: presence.Online, Descending: true},
		{Sort: fleet.ByStatus},
		{Sort: fleet.ByVersion},
		{Sort: fleet.ByEnrolled, After: fleet.Place{Key: fleet.TimeKey(time.Unix(500, 0)), ID: "c0500"}},
		{Sort: fleet.BySeen, Status: presence.Offline},
	} {
		asked, q.Limit = 0, 10
		p, err := lists.Connectors(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, p.Items, 10)
		require.Equal(t, 10, asked, "%+v", q)
	}
	asked = 0
	require.Equal(t, fleet.Count{Total: 1000, Online: 500}, lists.ConnectorCount())
	_, _, _ = lists.Signs(20)
	require.Zero(t, asked)
}

// TestAPageWithALabelCostsThoseThatHaveIt, and not the fleet.
func TestAPageWithALabelCostsThoseThatHaveIt(t *testing.T) {
	t.Parallel()
	roster, asked := presence.NewRoster(time.Now), 0
	var rows []fleet.Connector
	for i := range 1000 {
		c := fleet.Connector{Member: fleet.Member{Workload: connector(fmt.Sprintf("c%04d", i))}}
		if i%100 == 0 {
			c.About.Labels = access.Labels{"env": "prod"}
		}
		roster.ConnectorUp(presence.Arrival{ID: c.ID}, "", presence.SVID{})
		rows = append(rows, c)
	}
	lists := fleet.NewLists(askedOften{roster, &asked}, rows, nil, nil)
	for _, sort := range []fleet.Sort{fleet.ByID, fleet.BySeen, fleet.ByStatus, fleet.ByVersion} {
		asked = 0
		p, err := lists.Connectors(t.Context(), fleet.Query{Sort: sort, Limit: 3, Labels: []access.Label{{Key: "env", Value: "prod"}}})
		require.NoError(t, err)
		require.Len(t, p.Items, 3)
		require.Equal(t, 10, p.Total)
		require.LessOrEqual(t, asked, 13, sort)
	}
	asked = 0
	_, err := lists.Connectors(t.Context(), fleet.Query{Limit: 3, Search: "c", Labels: []access.Label{{Key: "env", Value: "none"}}})
	require.NoError(t, err)
	require.Zero(t, asked)
}
