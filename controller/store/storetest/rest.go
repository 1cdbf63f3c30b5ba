package storetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func auditLog(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	event := func(n int) audit.Event {
		return audit.Event{
			Time: start().Add(time.Duration(n) * time.Minute), Actor: "key:bootstrap", Action: audit.TokenCreate, Target: "token/tok_1",
			Outcome: audit.Denied, Reason: "why \x00 'not' — é", RequestID: "r1", Source: "[2001:db8::1]:443",
			Before: `{"a":1}`, After: `{"a":"ü"}`,
		}
	}
	within(t, s, func(tx enroll.Tx) error {
		for _, n := range []int{2, 1, 3, 3} { // in the order of writing, whatever a clock did
			if err := tx.AppendAudit(t.Context(), event(n)); err != nil {
				return err
			}
		}
		return nil
	})
	for since, want := range map[time.Time][]audit.Event{
		{}:                             {event(2), event(1), event(3), event(3)},
		event(2).Time:                  {event(2), event(3), event(3)},
		event(3).Time.Add(time.Second): nil,
	} {
		got, err := s.AuditSince(t.Context(), since)
		require.NoError(t, err)
		same(t, want, got)
	}
}

func keys(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	lasting := auth.Key{ID: "k1", Name: "bootstrap", CreatedAt: start()}
	expires := auth.Key{ID: "k2", Name: "ci", CreatedBy: "person:p1", Permissions: []auth.Permission{auth.FleetRead, auth.TokensWrite}, CreatedAt: start(), ExpiresAt: start().Add(time.Hour)}
	require.NoError(t, s.AuthRows().InsertKey(t.Context(), lasting, []byte{1}))
	require.NoError(t, s.AuthRows().InsertKey(t.Context(), expires, []byte{2}))
	got, err := s.AuthRows().KeyByHash(t.Context(), []byte{1})
	require.NoError(t, err)
	same(t, lasting, got)
	got, err = s.AuthRows().KeyByID(t.Context(), "k2")
	require.NoError(t, err)
	same(t, expires, got)
	for _, hash := range [][]byte{nil, {}, {3}, {1, 0}} {
		_, err = s.AuthRows().KeyByHash(t.Context(), hash)
		require.ErrorIs(t, err, auth.ErrKeyNotFound)
	}
	_, err = s.AuthRows().KeyByID(t.Context(), "k%")
	require.ErrorIs(t, err, auth.ErrKeyNotFound)
	require.Error(t, s.AuthRows().InsertKey(t.Context(), lasting, []byte{3}), "an id is used once")
	lasting.ID = "k3"
	require.Error(t, s.AuthRows().InsertKey(t.Context(), lasting, []byte{1}), "a hash is used once")

	require.NoError(t, s.AuthRows().UseKey(t.Context(), "k2", start().Add(time.Minute)))
	require.NoError(t, s.AuthRows().UseKey(t.Context(), "k2", start())) // late
	require.NoError(t, s.AuthRows().RevokeKey(t.Context(), "k2", start().Add(time.Second)))
	require.NoError(t, s.AuthRows().RevokeKey(t.Context(), "k2", start().Add(time.Hour)))
	expires.LastUsedAt, expires.RevokedAt = start().Add(time.Minute), start().Add(time.Second)
	all, err := s.AuthRows().Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	same(t, expires, all[1])
}

func revision(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	first, err := s.PolicyRevision(t.Context())
	require.NoError(t, err)
	require.Positive(t, first, "0 is a policy that was never made")
	require.NoError(t, s.FleetTx(t.Context(), func(tx fleet.Tx) error {
		require.NoError(t, tx.BumpPolicy(t.Context()))
		return tx.BumpPolicy(t.Context())
	}))
	require.Error(t, s.FleetTx(t.Context(), func(tx fleet.Tx) error {
		require.NoError(t, tx.BumpPolicy(t.Context()))
		return errStop
	}))
	now, err := s.PolicyRevision(t.Context())
	require.NoError(t, err)
	require.Equal(t, first+2, now)
}

var errStop = errors.New("stop")

// everything writes one row of each kind that a transaction can write.
func everything(ctx context.Context, tx enroll.Tx, h fleet.Host) error {
	return errors.Join(
		tx.InsertToken(ctx, enroll.Token{ID: "tok_1", Workload: connector("c-01")}, []byte{1}),
		tx.PutHost(ctx, h), tx.PutMember(ctx, newMember(identity.KindConnector, "c-01", h)),
		tx.BumpPolicy(ctx), tx.AppendAudit(ctx, audit.Event{Action: audit.Enroll}),
	)
}

func empty(t *testing.T, s Store) {
	t.Helper()
	tokens, err := enrolltest.Tokens(t.Context(), s)
	require.NoError(t, err)
	hosts, err := s.Hosts(t.Context())
	require.NoError(t, err)
	connectors, err := s.Connectors(t.Context())
	require.NoError(t, err)
	events, err := s.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Zero(t, len(tokens)+len(hosts)+len(connectors)+len(events))
}

func rollback(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	h := newHost(t)
	err := s.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		require.NoError(t, everything(t.Context(), tx, h))
		return errStop
	})
	require.ErrorIs(t, err, errStop)
	empty(t, s)
	within(t, s, func(tx enroll.Tx) error { return everything(t.Context(), tx, h) })
}

func canceled(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	h := newHost(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.EnrollTx(ctx, func(tx enroll.Tx) error {
		require.NoError(t, everything(ctx, tx, h))
		cancel()
		return nil
	})
	require.Error(t, err, "not committed, and it says so")
	empty(t, s)
	require.Error(t, s.EnrollTx(ctx, func(enroll.Tx) error { return nil }))
	within(t, s, func(tx enroll.Tx) error { return everything(t.Context(), tx, h) })
}

// serial: of many transactions that read and then write, none acts on what another
// one is about to change. A token would be spent twice otherwise.
func serial(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	within(t, s, func(tx enroll.Tx) error {
		return tx.InsertToken(t.Context(), enroll.Token{ID: "tok_1", Workload: connector("c-01")}, []byte{1})
	})
	const n = 16
	ctx := context.WithoutCancel(t.Context())
	var mu sync.Mutex
	var inside, won, lost int
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-ready
			err := s.EnrollTx(ctx, func(tx enroll.Tx) error {
				mu.Lock()
				inside++
				alone := inside == 1
				mu.Unlock()
				defer func() { mu.Lock(); inside--; mu.Unlock() }()
				if !alone {
					return errors.New("two transactions at once")
				}
				tok, err := tx.TokenByID(ctx, "tok_1")
				if err != nil || !tok.ClaimedAt.IsZero() {
					return errors.Join(err, errStop)
				}
				tok.ClaimedAt, tok.KeyHash = start(), []byte(strconv.Itoa(i))
				return tx.UpdateToken(ctx, tok)
			})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, errStop):
				lost++
			default:
				t.Error(err)
			}
		})
	}
	close(ready)
	wg.Wait()
	require.Equal(t, 1, won)
	require.Equal(t, n-1, lost)
}

func durable(t *testing.T, open func(string) Store) {
	s := open("db")
	m := newMember(identity.KindConnector, "c-01", fleet.Host{})
	h := put(t, s, m)
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.BumpPolicy(t.Context()))
		require.NoError(t, tx.ContestHost(t.Context(), h.ID, start()))
		require.NoError(t, tx.AppendAudit(t.Context(), audit.Event{Action: audit.Enroll, Time: start()}))
		return tx.InsertToken(t.Context(), enroll.Token{ID: "tok_1", Workload: m.Workload, CreatedAt: start(), ExpiresAt: start()}, []byte{1})
	})
	require.NoError(t, s.AuthRows().InsertKey(t.Context(), auth.Key{ID: "k1"}, []byte{1}))
	before, err := s.PolicyRevision(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())

	s = fresh(t, open)
	after, err := s.PolicyRevision(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	m.HostID = h.ID
	connectors, err := s.Connectors(t.Context())
	require.NoError(t, err)
	same(t, []fleet.Connector{{Member: m, Contested: true, NetworkID: fleet.DefaultNetwork}}, connectors)
	tokens, err := enrolltest.Tokens(t.Context(), s)
	require.NoError(t, err)
	require.Len(t, tokens, 1)
	events, err := s.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Len(t, events, 1)
	_, err = s.AuthRows().KeyByID(t.Context(), "k1")
	require.NoError(t, err)
	other := open("other")
	empty(t, other)
	require.NoError(t, other.Close())
}
