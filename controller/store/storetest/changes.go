package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// since lists "kind id op" of what is in the log after a position, and the next one.
func since(t *testing.T, s Store, after uint64) (out []string, position uint64) {
	t.Helper()
	position, err := s.ChangePosition(t.Context())
	require.NoError(t, err)
	all, err := s.Changes(t.Context(), after, 100000)
	require.NoError(t, err)
	for i, c := range all {
		require.Equal(t, after+1+uint64(i), c.Seq, "a hole")
		out = append(out, fmt.Sprintf("%s %s %s", c.Kind, c.ID, c.Op))
	}
	require.Equal(t, after+uint64(len(all)), position)
	return out, position
}

// changesOf: every way to change what others follow writes its row, and one that
// changes nothing writes none.
func changesOf(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	h, c, tun := newHost(t), newMember(identity.KindConnector, "c", fleet.Host{}), newMember(identity.KindTunneler, "t", fleet.Host{})
	tok := enroll.Token{ID: "tok", Workload: c.Workload, CreatedAt: start(), ExpiresAt: start().Add(time.Hour)}
	req := enroll.Request{ID: "req", Code: "1", Workload: c.Workload, CreatedAt: start(), ExpiresAt: start().Add(time.Hour), TokenID: "tok"}
	hello := fleet.Hello{ID: "c", Version: "v2", PrivateIP: "10.0.0.1", Addresses: []string{"a:1"}}
	say := func(h fleet.Hello) func(enroll.Tx) error {
		return func(tx enroll.Tx) error { _, err := tx.SaveHello(t.Context(), h); return err }
	}
	hello2, hello3, hello4 := hello, hello, hello
	hello2.Addresses, hello3.PrivateIP, hello4.Version = []string{"b:1"}, "10.0.0.2", "v3"
	var at uint64
	for _, step := range []struct {
		what string
		do   func(tx enroll.Tx) error
		want []string
	}{
		{"a new host", func(tx enroll.Tx) error { return tx.PutHost(t.Context(), h) }, []string{"host " + string(h.ID) + " created"}},
		{"a new connector", func(tx enroll.Tx) error { return tx.PutMember(t.Context(), with(c, h)) }, []string{"connector c created"}},
		{"a new tunneler", func(tx enroll.Tx) error { return tx.PutMember(t.Context(), with(tun, h)) }, []string{"tunneler t created"}},
		{"a hello", say(hello), []string{"connector c changed"}},
		{"the same hello", say(hello), nil},
		{"another address", say(hello2), []string{"connector c changed"}},
		{"another private address", say(hello3), []string{"connector c changed"}},
		{"another version", say(hello4), []string{"connector c changed"}},
		{"the first use", func(tx enroll.Tx) error { return tx.FirstSeen(t.Context(), tun.Workload, start()) }, []string{"tunneler t changed"}},
		{"the second use", func(tx enroll.Tx) error { return tx.FirstSeen(t.Context(), tun.Workload, start()) }, nil},
		{"a contested host", func(tx enroll.Tx) error { return tx.ContestHost(t.Context(), h.ID, start()) }, []string{"host " + string(h.ID) + " changed"}},
		{"contested again", func(tx enroll.Tx) error { return tx.ContestHost(t.Context(), h.ID, start()) }, nil},
		{"a cloned host", func(tx enroll.Tx) error {
			_, err := tx.MarkCloned(t.Context(), h.ID, start(), fleet.Clone{})
			return err
		}, []string{"host " + string(h.ID) + " changed"}},
		{"a revoked connector", func(tx enroll.Tx) error { return tx.RevokeMember(t.Context(), c.Workload, start()) }, []string{"connector c revoked"}},
		{"revoked again", func(tx enroll.Tx) error { return tx.RevokeMember(t.Context(), c.Workload, start()) }, nil},
		{"a revoked tunneler", func(tx enroll.Tx) error { return tx.RevokeMember(t.Context(), tun.Workload, start()) }, []string{"tunneler t revoked"}},
		{"a revoked host", func(tx enroll.Tx) error { return tx.RevokeHost(t.Context(), h.ID, start()) }, []string{"host " + string(h.ID) + " revoked"}},
		{"a revision", func(tx enroll.Tx) error { return tx.BumpPolicy(t.Context()) }, []string{"policy 2 changed"}},
		{"a token", func(tx enroll.Tx) error { return tx.InsertToken(t.Context(), tok, []byte("h")) }, []string{"token tok created"}},
		{"a request", func(tx enroll.Tx) error { return tx.InsertRequest(t.Context(), req) }, []string{"request req created"}},
		{"a decision", func(tx enroll.Tx) error { return tx.UpdateRequest(t.Context(), req) }, []string{"request req changed"}},
		{"a redeemed token", func(tx enroll.Tx) error {
			tok.ClaimedAt = start()
			return tx.UpdateToken(t.Context(), tok)
		}, []string{"token tok changed", "request req changed"}},
		{"a revoked token", func(tx enroll.Tx) error {
			tok.RevokedAt = start()
			return tx.UpdateToken(t.Context(), tok)
		}, []string{"token tok revoked", "request req changed"}},
		{"old requests", func(tx enroll.Tx) error {
			return tx.PurgeRequests(t.Context(), start().Add(2*time.Hour), start().Add(2*time.Hour))
		}, []string{"request req deleted"}},
		{"an event", func(tx enroll.Tx) error {
			return tx.AppendAudit(t.Context(), audit.Event{Time: start(), Action: audit.TokenCreate})
		}, []string{"audit  " + string(audit.TokenCreate)}},
	} {
		within(t, s, step.do)
		var got []string
		got, at = since(t, s, at)
		require.Equal(t, step.want, got, step.what)
	}
	for _, step := range []struct {
		do   func() error
		want []string
	}{
		{func() error { return s.BeginPolicy(t.Context(), time.UnixMilli(77)) }, []string{"policy 77 changed"}},
		{func() error { return s.AppendAudit(t.Context(), audit.Event{Time: start(), Action: "x"}) }, []string{"audit  x"}},
		{func() error {
			return s.RotationTx(t.Context(), func(tx rotation.Tx) error { return tx.PutRotation(t.Context(), rotation.Rotation{ID: "r"}) })
		}, []string{"rotation r changed"}},
		{func() error {
			return s.AuthTx(t.Context(), func(tx auth.Tx) error { return tx.PutPerson(t.Context(), auth.Person{ID: "p", Email: "e"}) })
		}, []string{"person p changed"}},
		{func() error { return s.AuthRows().InsertKey(t.Context(), auth.Key{ID: "k"}, []byte{1}) }, []string{"key k created"}},
		{func() error { return s.AuthRows().UpdateKey(t.Context(), "k", "n", nil) }, []string{"key k changed"}},
		{func() error { return s.AuthRows().UseKey(t.Context(), "k", start()) }, nil},
		{func() error { return s.AuthRows().RevokeKey(t.Context(), "k", start()) }, []string{"key k revoked"}},
		{func() error { return s.AuthRows().DeletePerson(t.Context(), "p") }, []string{"person p deleted"}},
	} {
		require.NoError(t, step.do())
		var got []string
		got, at = since(t, s, at)
		require.Equal(t, step.want, got)
	}
}

// changesInOrder: positions are those of the commits. A transaction that fails leaves
// neither rows nor a hole, and a revision comes after everything it stands for.
func changesInOrder(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	failed := errors.New("no")
	change := func(tx enroll.Tx) error {
		return errors.Join(tx.BumpPolicy(t.Context()), tx.AppendAudit(t.Context(), audit.Event{Action: "x"}), tx.AppendAudit(t.Context(), audit.Event{Action: "x"}))
	}
	require.ErrorIs(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return errors.Join(change(tx), failed) }), failed)
	got, at := since(t, s, 0)
	require.Empty(t, got)
	within(t, s, change)
	got, at = since(t, s, at)
	require.Equal(t, []string{"audit  x", "policy 2 changed"}, got)

	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 20 {
				err := s.EnrollTx(t.Context(), func(tx enroll.Tx) error {
					return errors.Join(tx.BumpPolicy(t.Context()), tx.AppendAudit(t.Context(), audit.Event{Action: "x"}))
				})
				assert.NoError(t, err)
			}
		})
	}
	writers.Wait()
	got, _ = since(t, s, at)
	var want []string
	for revision := 3; revision < 83; revision++ {
		want = append(want, "audit  x", fmt.Sprintf("policy %d changed", revision))
	}
	require.Equal(t, want, got)
	page, err := s.Changes(t.Context(), 5, 3)
	require.NoError(t, err)
	require.Len(t, page, 3)
	require.EqualValues(t, 6, page[0].Seq)
}

// prunedChanges: what is gone is seen to be gone, also when nothing is left and the
// program has started again.
func prunedChanges(t *testing.T, open func(string) Store) {
	s := open("db")
	for range 5 {
		require.NoError(t, s.AppendAudit(t.Context(), audit.Event{Action: "x"}))
	}
	require.NoError(t, s.PruneChanges(t.Context(), 9))
	_, _ = since(t, s, 0)
	require.NoError(t, s.PruneChanges(t.Context(), 2))
	all, err := s.Changes(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Equal(t, []changelog.Change{{Seq: 4, Kind: "audit", Op: "x"}, {Seq: 5, Kind: "audit", Op: "x"}}, all)
	require.NoError(t, s.PruneChanges(t.Context(), 0))
	require.NoError(t, s.Close())
	s = open("db")
	defer func() { require.NoError(t, s.Close()) }()
	all, err = s.Changes(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Empty(t, all)
	_, at := since(t, s, 5)
	require.EqualValues(t, 5, at, "the counter stays")
	require.NoError(t, s.AppendAudit(t.Context(), audit.Event{Action: "y"}))
	got, _ := since(t, s, 5)
	require.Equal(t, []string{"audit  y"}, got)
}

// commitsWake: those who follow are woken after the commit, when they can read it.
func commitsWake(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	news, forget := s.SubscribeChanges()
	woken := func() bool {
		select {
		case <-news:
			return true
		default:
			return false
		}
	}
	failed := errors.New("no")
	require.ErrorIs(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return errors.Join(tx.BumpPolicy(t.Context()), failed) }), failed)
	within(t, s, func(enroll.Tx) error { return nil })
	require.False(t, woken(), "nothing changed")
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.BumpPolicy(t.Context()))
		require.False(t, woken(), "before the commit")
		return nil
	})
	require.True(t, woken())
	forget()
	within(t, s, func(tx enroll.Tx) error { return tx.BumpPolicy(t.Context()) })
	require.False(t, woken())
}

// membersByID: those that are asked for and are there, revoked ones too, as lists have
// them.
func membersByID(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	var members []fleet.Member
	var ids []string
	for i := range 250 {
		id := fmt.Sprintf("m-%03d", i)
		ids = append(ids, id)
		members = append(members, newMember(identity.KindConnector, id, fleet.Host{}), newMember(identity.KindTunneler, id, fleet.Host{}))
	}
	put(t, s, members...)
	within(t, s, func(tx enroll.Tx) error { return tx.RevokeMember(t.Context(), connector("m-007"), start()) })
	connectors, err := s.Connectors(t.Context())
	require.NoError(t, err)
	tunnelers, err := s.Tunnelers(t.Context())
	require.NoError(t, err)
	gotC, err := s.ConnectorsByID(t.Context(), append(ids, "never", "'"))
	require.NoError(t, err)
	same(t, connectors, gotC)
	gotT, err := s.TunnelersByID(t.Context(), append(ids, "never", "'"))
	require.NoError(t, err)
	same(t, tunnelers, gotT)
	gotC, err = s.ConnectorsByID(t.Context(), []string{"m-007"})
	require.NoError(t, err)
	require.Equal(t, connectors[7:8], gotC)
	gotC, err = s.ConnectorsByID(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, gotC)
}

// placements: what the reconciler reads.
func placements(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	var members []fleet.Member
	for i := range 250 {
		members = append(members, newMember(identity.KindTunneler, fmt.Sprintf("m-%03d", i), fleet.Host{}))
	}
	h := put(t, s, append(members, newMember(identity.KindConnector, "m-000", fleet.Host{}))...)
	gone := put(t, s, newMember(identity.KindConnector, "gone", fleet.Host{}))
	joins := fleet.Host{ID: identity.NewHostID(), KeyHash: []byte("k"), Ephemeral: true, EnrolledAt: start()}
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.PutHost(t.Context(), joins))
		require.NoError(t, tx.RevokeMember(t.Context(), connector("gone"), start()))
		return tx.RevokeHost(t.Context(), gone.ID, start())
	})

	got, err := s.PlacedByID(t.Context(), identity.KindTunneler, []string{"m-007", "never", "'", "m-003"})
	require.NoError(t, err)
	require.Len(t, got, 2)
	members[7].HostID = h.ID
	same(t, members[7], got[1].Member)
	require.Equal(t, fleet.Host{ID: h.ID, AgentID: h.AgentID}, got[1].Host)
	got, err = s.PlacedByID(t.Context(), identity.KindConnector, []string{"gone"})
	require.NoError(t, err)
	require.Equal(t, start(), got[0].Member.RevokedAt)
	require.Equal(t, fleet.Host{ID: gone.ID, AgentID: gone.AgentID, RevokedAt: start()}, got[0].Host)
	_, err = s.PlacedByID(t.Context(), identity.KindController, []string{"a"})
	require.Error(t, err)

	var all []string
	for after := ""; ; {
		page, err := s.PlacedAfter(t.Context(), identity.KindTunneler, after, 100)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 100)
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			all = append(all, p.Member.ID)
		}
		after = all[len(all)-1]
	}
	require.Len(t, all, 250, "each once")
	require.IsIncreasing(t, all)

	got, err = s.PlacedOn(t.Context(), h.ID)
	require.NoError(t, err)
	require.Len(t, got, 251, "of both kinds")
	got, err = s.PlacedOn(t.Context(), joins.ID)
	require.NoError(t, err)
	require.Empty(t, got)

	one, err := s.HostByID(t.Context(), joins.ID)
	require.NoError(t, err)
	require.True(t, one.Ephemeral)
	require.True(t, one.AgentID.IsZero())
	_, err = s.HostByID(t.Context(), identity.NewHostID())
	require.ErrorIs(t, err, fleet.ErrNotFound)

	revoked, err := s.RevokedHosts(t.Context(), []spiffeid.ID{h.AgentID, gone.AgentID, {}})
	require.NoError(t, err)
	require.Equal(t, []identity.HostID{gone.ID}, revoked)
	revoked, err = s.RevokedHosts(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, revoked)
}
