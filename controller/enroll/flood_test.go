package enroll_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// TestRefusedCallersCannotGrowTheAuditLog: the log is for ever, and calling costs an
// anonymous caller nothing.
func TestRefusedCallersCannotGrowTheAuditLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	dead, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	require.NoError(t, w.Revoke(t.Context(), dead.ID, operator, "r1", "127.0.0.1"))
	pending := w.ask(t, connector, enrolltest.NewKey(t))
	foreign := awaiting(t, pending.ID, enrolltest.NewKey(t))
	proofless := asking(t, connector, enrolltest.NewKey(t))
	proofless.Proof = []byte("x")
	for name, c := range map[string]struct {
		call func(i int) error
		rows int
	}{
		"waiting for a request that is unknown": {func(i int) error {
			a := foreign
			a.ID = fmt.Sprintf("req_%d", i)
			_, err := w.Await(t.Context(), a)
			return err
		}, 1},
		"waiting without the key of the request": {func(int) error {
			_, err := w.Await(t.Context(), foreign)
			return err
		}, 1},
		"guessing at tokens, for another id each time": {func(i int) error {
			_, err := w.Redeem(t.Context(), redemption(fmt.Sprintf("ztc_%d", i), identity.Workload{Kind: identity.KindConnector, ID: fmt.Sprintf("c-%d", i)}, key))
			return err
		}, 1},
		"a token that was revoked": {func(int) error {
			_, err := w.Redeem(t.Context(), redemption(secret, connector, key))
			return err
		}, 1},
		"asking with a signature for another listener": {func(i int) error {
			a := proofless
			a.Source = netip.MustParseAddrPort(fmt.Sprintf("192.0.2.77:%d", i+1))
			_, err := w.Ask(t.Context(), a)
			return err
		}, 1},
		"opening links that are none": {func(i int) error {
			_, _, err := w.OpenClaim(t.Context(), enroll.Opening{Code: fmt.Sprintf("ztl_%d", i), From: "192.0.2.1"})
			return err
		}, 1},
	} {
		before, err := w.store.AuditSince(t.Context(), time.Time{})
		require.NoError(t, err)
		for i := range 100 {
			require.Error(t, c.call(i), name)
		}
		after, err := w.store.AuditSince(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Len(t, after, len(before)+c.rows, name)
		last := after[len(after)-1]
		require.Equal(t, audit.Denied, last.Outcome, name)
		require.NotEmpty(t, last.Reason, "%s: the first is there at once, with its reason", name)
	}
}

// TestASecondKeyIsSeenInAFlood: what marks a host is recorded at once, whatever else
// comes from the same address.
func TestASecondKeyIsSeenInAFlood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	_, err := w.Redeem(t.Context(), redemption(secret, connector, enrolltest.NewKey(t)))
	require.NoError(t, err)
	thief := enrolltest.NewKey(t)
	for i := range 200 {
		r := redemption(fmt.Sprintf("ztc_%d", i), connector, thief)
		r.Source = netip.MustParseAddrPort(fmt.Sprintf("198.51.100.%d:1", i))
		_, err := w.Redeem(t.Context(), r)
		require.ErrorIs(t, err, enroll.ErrRefused)
	}
	for range 10 {
		_, err = w.Redeem(t.Context(), redemption(secret, connector, thief))
		require.ErrorIs(t, err, enroll.ErrRefused)
	}
	events, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	last := events[len(events)-2:]
	require.Equal(t, "token was claimed by another key", last[0].Reason)
	require.Equal(t, audit.HostContest, last[1].Action, "once for a host, and at once")
	require.Less(t, len(events), 20)
}

// TestGuessesWaitForNoWriter: a flood of them neither waits for a transaction nor holds
// one up.
func TestGuessesWaitForNoWriter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	guess := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := w.Redeem(ctx, redemption("ztc_nobodys", connector, key))
		return err
	}
	require.ErrorIs(t, guess(), enroll.ErrRefused, "the first of a minute is a row in the log")
	require.NoError(t, w.store.EnrollTx(t.Context(), func(enroll.Tx) error {
		require.ErrorIs(t, guess(), enroll.ErrRefused)
		return nil
	}))
}
