package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func connector(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindConnector, ID: id}
}

func tunneler(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindTunneler, ID: id}
}

func members(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	b, a := newMember(identity.KindConnector, "b", fleet.Host{}), newMember(identity.KindConnector, "a", fleet.Host{})
	twin := newMember(identity.KindTunneler, "a", fleet.Host{})
	h := put(t, s, b, a, twin)
	b.HostID, a.HostID, twin.HostID = h.ID, h.ID, h.ID

	within(t, s, func(tx enroll.Tx) error {
		got, err := tx.Member(t.Context(), a.Workload)
		require.NoError(t, err)
		same(t, a, got)
		got, err = tx.Member(t.Context(), twin.Workload)
		require.NoError(t, err)
		same(t, twin, got) // the same id, another kind
		for _, who := range []identity.Workload{connector("c"), connector(""), connector("A"), tunneler("b")} {
			_, err = tx.Member(t.Context(), who)
			require.ErrorIs(t, err, fleet.ErrNotFound, who)
		}
		_, err = tx.Member(t.Context(), identity.Workload{Kind: identity.KindController, ID: "a"})
		require.Error(t, err)
		require.NotErrorIs(t, err, fleet.ErrNotFound, "controllers are not kept here")
		live, err := tx.LiveMembersOf(t.Context(), h.ID)
		require.NoError(t, err)
		require.Len(t, live, 3)

		require.NoError(t, tx.RevokeMember(t.Context(), a.Workload, start().Add(time.Hour)))
		require.NoError(t, tx.RevokeMember(t.Context(), a.Workload, start().Add(2*time.Hour)))
		require.NoError(t, tx.RevokeMember(t.Context(), connector("never"), start()))
		live, err = tx.LiveMembersOf(t.Context(), h.ID)
		require.NoError(t, err)
		require.Len(t, live, 2)
		live, err = tx.LiveMembersOf(t.Context(), identity.NewHostID())
		require.NoError(t, err)
		require.Empty(t, live)
		return tx.ContestHost(t.Context(), h.ID, start())
	})
	a.RevokedAt = start().Add(time.Hour) // the first time stays

	within(t, s, func(tx enroll.Tx) error {
		hello := fleet.Hello{ID: "b", Version: "v2", PrivateIP: "10.0.0.7", Addresses: []string{"z:1", "a:1"}}
		changed, err := tx.SaveHello(t.Context(), hello)
		require.NoError(t, err)
		require.True(t, changed)
		changed, err = tx.SaveHello(t.Context(), hello)
		require.NoError(t, err)
		require.False(t, changed)
		changed, err = tx.SaveHello(t.Context(), fleet.Hello{ID: "a"})
		require.NoError(t, err)
		require.False(t, changed, "none before, none now")
		_, err = tx.SaveHello(t.Context(), fleet.Hello{ID: "never"})
		require.Error(t, err)
		return nil
	})
	b.Version, a.Version = "v2", ""
	connectors, err := s.Connectors(t.Context())
	require.NoError(t, err)
	same(t, []fleet.Connector{
		{Member: a, Contested: true, NetworkID: fleet.DefaultNetwork},
		{Member: b, Contested: true, PrivateIP: "10.0.0.7", Addresses: []string{"z:1", "a:1"}, NetworkID: fleet.DefaultNetwork},
	}, connectors)
	tunnelers, err := s.Tunnelers(t.Context())
	require.NoError(t, err)
	same(t, []fleet.Tunneler{{Member: twin, Contested: true}}, tunnelers)
}

// formerMembers: whoever gets the id next inherits nothing.
func formerMembers(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	put(t, s, newMember(identity.KindConnector, "c-01", fleet.Host{}), newMember(identity.KindTunneler, "t-01", fleet.Host{}))
	within(t, s, func(tx enroll.Tx) error {
		_, err := tx.SaveHello(t.Context(), fleet.Hello{ID: "c-01", PrivateIP: "10.0.0.7", Addresses: []string{"a:1"}})
		require.NoError(t, err)
		return tx.RevokeMember(t.Context(), connector("c-01"), start())
	})
	require.NoError(t, s.SaveSeen(t.Context(), []presence.Seen{
		{Workload: connector("c-01"), At: start()}, {Workload: tunneler("t-01"), At: start(), Connector: "c-01"},
	}))
	nextC, nextT := newMember(identity.KindConnector, "c-01", fleet.Host{}), newMember(identity.KindTunneler, "t-01", fleet.Host{})
	nextC.EnrolledAt = start().Add(time.Hour)
	h := put(t, s, nextC, nextT)
	nextC.HostID, nextT.HostID = h.ID, h.ID
	connectors, err := s.Connectors(t.Context())
	require.NoError(t, err)
	same(t, []fleet.Connector{{Member: nextC, NetworkID: fleet.DefaultNetwork}}, connectors)
	tunnelers, err := s.Tunnelers(t.Context())
	require.NoError(t, err)
	same(t, []fleet.Tunneler{{Member: nextT}}, tunnelers)
}

// clones: the first finding stays, also when the host is written or revoked, and
// whoever gets the id next has none.
func clones(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	m, twin := newMember(identity.KindConnector, "c-01", fleet.Host{}), newMember(identity.KindTunneler, "t-01", fleet.Host{})
	h, other := put(t, s, m, twin), put(t, s, newMember(identity.KindConnector, "c-02", fleet.Host{}))
	c := fleet.Clone{Signal: fleet.TwoPrograms, Member: "connector/c-01", Sightings: []fleet.Sighting{
		{Address: "192.0.2.1:1", InstanceID: "é'\"", BootID: "b", At: start()}, {Address: "[2001:db8::1]:2", At: start().Add(time.Second)},
	}}
	mark := func(id identity.HostID, at time.Time, c fleet.Clone) (first bool) {
		within(t, s, func(tx enroll.Tx) (err error) {
			first, err = tx.MarkCloned(t.Context(), id, at, c)
			return err
		})
		return first
	}
	marked := func(contested, cloned int, why string) {
		t.Helper()
		gotContested, gotCloned, err := s.MarkedHosts(t.Context())
		require.NoError(t, err)
		require.Equal(t, [2]int{contested, cloned}, [2]int{gotContested, gotCloned}, why)
	}
	marked(0, 0, "nothing is known of either")
	require.True(t, mark(h.ID, start(), c))
	within(t, s, func(tx enroll.Tx) error { return tx.ContestHost(t.Context(), other.ID, start()) })
	marked(1, 1, "one each")
	require.False(t, mark(h.ID, start().Add(time.Hour), fleet.Clone{Signal: fleet.TwoAgents}))
	require.False(t, mark(identity.NewHostID(), start(), c), "no such host")
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.PutHost(t.Context(), h))
		return tx.RevokeHost(t.Context(), h.ID, start())
	})
	marked(1, 0, "a revoked host is nobody's trouble")
	h.ClonedAt, h.Clone, h.RevokedAt, other.ContestedAt = start(), c, start(), start()
	hosts, err := s.Hosts(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []fleet.Host{h, other}, hosts)
	connectors, err := s.Connectors(t.Context())
	require.NoError(t, err)
	require.Equal(t, &c, connectors[0].Clone)
	require.Nil(t, connectors[1].Clone)
	tunnelers, err := s.Tunnelers(t.Context())
	require.NoError(t, err)
	require.Equal(t, &c, tunnelers[0].Clone)

	put(t, s, m)
	connectors, err = s.Connectors(t.Context())
	require.NoError(t, err)
	require.Nil(t, connectors[0].Clone)
}

func seen(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	put(t, s, newMember(identity.KindConnector, "c-01", fleet.Host{}), newMember(identity.KindTunneler, "t-01", fleet.Host{}),
		newMember(identity.KindTunneler, "t-02", fleet.Host{}))
	before, first, later := start().Add(-time.Second), start().Add(time.Minute), start().Add(time.Hour)
	require.NoError(t, s.SaveSeen(t.Context(), nil))
	for _, batch := range [][]presence.Seen{
		{{Workload: connector("never"), At: first}, {Workload: connector("c-01"), At: first, Version: "v2", Connector: "x"}},
		{{Workload: connector("c-01"), At: later}, {Workload: tunneler("t-01"), At: first, Version: "v3", Connector: "c-01", First: true}},
		{{Workload: connector("c-01"), At: first}, {Workload: tunneler("t-01"), At: later, Connector: "c-03", First: true}},
		{{Workload: tunneler("t-01"), At: first, Connector: "c-02"}, {Workload: tunneler("t-02"), At: before, First: true}},
	} {
		require.NoError(t, s.SaveSeen(t.Context(), batch))
	}
	connectors, err := s.Connectors(t.Context())
	require.NoError(t, err)
	require.Equal(t, later, connectors[0].LastSeenAt)
	require.Equal(t, "v1", connectors[0].Version, "a connector says its version in its hello")
	tunnelers, err := s.Tunnelers(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, tunnelers[0].FirstSeenAt, "the first one stays")
	require.Equal(t, later, tunnelers[0].LastSeenAt, "times only grow")
	require.Equal(t, "v3", tunnelers[0].Version, "an empty version keeps the stored one")
	require.Equal(t, "c-02", tunnelers[0].ConnectorID)
	require.True(t, tunnelers[1].LastSeenAt.IsZero(), "before it was enrolled somebody else had its id")
	require.True(t, tunnelers[1].FirstSeenAt.IsZero())
	within(t, s, func(tx enroll.Tx) error {
		m, err := tx.Member(t.Context(), tunneler("t-01"))
		require.Equal(t, tunnelers[0].Member, m)
		return err
	})

	// The first use that a stream shows comes in its own transaction; the first one counts.
	require.NoError(t, s.FleetTx(t.Context(), func(tx fleet.Tx) error {
		for _, w := range []identity.Workload{connector("c-01"), tunneler("t-01"), tunneler("t-02"), tunneler("never")} {
			if err := tx.FirstSeen(t.Context(), w, first.Add(time.Minute)); err != nil {
				return err
			}
		}
		return tx.FirstSeen(t.Context(), tunneler("t-02"), later)
	}))
	tunnelers, err = s.Tunnelers(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, tunnelers[0].FirstSeenAt)
	require.Equal(t, first.Add(time.Minute), tunnelers[1].FirstSeenAt)
	require.True(t, tunnelers[1].LastSeenAt.IsZero())
	require.Error(t, s.FleetTx(t.Context(), func(tx fleet.Tx) error {
		return tx.FirstSeen(t.Context(), identity.Workload{Kind: "x", ID: "c-01"}, later)
	}))

	require.Error(t, s.SaveSeen(t.Context(), []presence.Seen{
		{Workload: connector("c-01"), At: later.Add(time.Hour)}, {Workload: identity.Workload{Kind: "x", ID: "c-01"}, At: later},
	}))
	connectors, err = s.Connectors(t.Context())
	require.NoError(t, err)
	require.Equal(t, later, connectors[0].LastSeenAt, "a batch is written as a whole or not at all")
}

// seenByMany writes more than one statement takes.
func seenByMany(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	var all []fleet.Member
	var batch []presence.Seen
	for i := range 450 {
		kind := identity.KindTunneler
		if i%3 == 0 {
			kind = identity.KindConnector
		}
		m := newMember(kind, fmt.Sprintf("m-%03d", i), fleet.Host{})
		all = append(all, m)
		batch = append(batch, presence.Seen{Workload: m.Workload, At: start().Add(time.Duration(i) * time.Second), First: true})
	}
	put(t, s, all...)
	require.NoError(t, s.SaveSeen(t.Context(), batch))
	connectors, err := s.Connectors(t.Context())
	require.NoError(t, err)
	tunnelers, err := s.Tunnelers(t.Context())
	require.NoError(t, err)
	got := map[identity.Workload]time.Time{}
	for _, m := range connectors {
		got[m.Workload] = m.LastSeenAt
	}
	for _, m := range tunnelers {
		got[m.Workload] = m.LastSeenAt
		require.Equal(t, m.LastSeenAt, m.FirstSeenAt)
	}
	require.Len(t, got, 450)
	for _, one := range batch {
		require.Equal(t, one.At, got[one.Workload], one.Workload)
	}
}

// membersLabelled: those that are not revoked and have all of the labels, connectors first.
func membersLabelled(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	labelled := func(kind identity.Kind, id string, labels access.Labels) fleet.Member {
		m := newMember(kind, id, fleet.Host{})
		m.About.Labels = labels
		return m
	}
	h := put(t, s,
		labelled(identity.KindTunneler, "t1", access.Labels{"env": "prod"}), labelled(identity.KindTunneler, "t2", nil),
		labelled(identity.KindConnector, "c3", access.Labels{"env": "prod", "tier": "web"}), labelled(identity.KindConnector, "c1", access.Labels{"env": "prod"}),
		labelled(identity.KindConnector, "c2", access.Labels{"env": "production", "prod": "env"}), labelled(identity.KindConnector, "c4", access.Labels{"env": "prod"}),
		labelled(identity.KindConnector, "c5", access.Labels{"a.b/c": "prod"}),
	)
	within(t, s, func(tx enroll.Tx) error { return tx.RevokeMember(t.Context(), connector("c4"), start()) })
	prod, web := access.Label{Key: "env", Value: "prod"}, access.Label{Key: "tier", Value: "web"}
	for _, c := range []struct {
		labels []access.Label
		kind   identity.Kind
		most   int
		want   []identity.Workload
	}{
		{[]access.Label{prod}, "", 9, []identity.Workload{connector("c1"), connector("c3"), tunneler("t1")}},
		{[]access.Label{prod}, "", 1, []identity.Workload{connector("c1"), tunneler("t1")}},
		{[]access.Label{prod}, identity.KindConnector, 9, []identity.Workload{connector("c1"), connector("c3")}},
		{[]access.Label{prod}, identity.KindTunneler, 9, []identity.Workload{tunneler("t1")}},
		{[]access.Label{prod, web}, "", 9, []identity.Workload{connector("c3")}},
		{[]access.Label{web, prod}, identity.KindTunneler, 9, nil},
		{[]access.Label{{Key: "a.b/c", Value: "prod"}}, "", 9, []identity.Workload{connector("c5")}},
		{[]access.Label{{Key: "env", Value: "prod' OR '1'='1"}}, "", 9, nil},
	} {
		got, err := s.MembersLabelled(t.Context(), c.labels, c.kind, c.most)
		require.NoError(t, err)
		var who []identity.Workload
		for _, m := range got {
			who = append(who, m.Workload)
			require.Equal(t, h.ID, m.HostID)
		}
		require.Equal(t, c.want, who, "%v %s", c.labels, c.kind)
		require.NoError(t, s.FleetTx(t.Context(), func(tx fleet.Tx) error {
			inside, err := tx.MembersLabelled(t.Context(), c.labels, c.kind, c.most)
			require.Equal(t, got, inside)
			return err
		}))
	}
}
