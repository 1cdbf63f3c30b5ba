package storetest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func newRequest(n int) enroll.Request {
	digit := strconv.Itoa(n)
	return enroll.Request{
		ID: "req_" + digit, Code: "BCDF-GHJ" + digit, Workload: identity.Workload{Kind: identity.KindConnector, ID: "c-01"},
		Facts: enroll.Facts{BinaryPath: `/opt/"x"/böx`, UID: 1000, SystemdUnit: "grpcconnector.service", Hostname: "böx", Version: "v1"},
		CSR:   []byte{1, 2}, HostCertificate: []byte{3}, KeyHash: []byte("key " + digit), Fingerprint: "0000-1111",
		Source: "192.0.2.7", Net: "192.0.2.7/32", CreatedAt: start().Add(time.Duration(n) * time.Second), ExpiresAt: start().Add(time.Hour),
	}
}

func enrollmentRequests(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	older, newer := newRequest(1), newRequest(2)
	newer.Ephemeral, newer.HostCertificate = true, nil
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.InsertRequest(t.Context(), older))
		return tx.InsertRequest(t.Context(), newer)
	})
	all, err := s.RequestPage(t.Context(), enroll.RequestQuery{Sort: enroll.ByCreation, Descending: true, Limit: 9})
	require.NoError(t, err)
	same(t, []enroll.Request{newer, older}, all.Items)

	for name, spoil := range map[string]func(*enroll.Request){
		"its id":   func(r *enroll.Request) { r.Code = "XXXX-XXXX" },
		"its code": func(r *enroll.Request) { r.ID = "req_9" },
	} {
		again := older
		spoil(&again)
		require.Error(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.InsertRequest(t.Context(), again) }), name)
	}
	within(t, s, func(tx enroll.Tx) error {
		tok := enroll.Token{ID: "tok_1", Workload: older.Workload, Delivery: enroll.ByRequest, ClaimedAt: start(), HostID: "host"}
		require.NoError(t, tx.InsertToken(t.Context(), tok, []byte{1}))
		changed := older
		changed.Decision, changed.DecidedAt, changed.DecidedBy, changed.TokenID, changed.Mismatches = enroll.Approved, start(), "person:p1", "tok_1", 2
		changed.Fingerprint, changed.CSR, changed.ExpiresAt = "other", []byte("other"), start().Add(time.Minute) // an update writes the decision only
		require.NoError(t, tx.UpdateRequest(t.Context(), changed))
		want := older
		want.Decision, want.DecidedAt, want.DecidedBy, want.TokenID, want.Mismatches = enroll.Approved, start(), "person:p1", "tok_1", 2
		want.CollectedAt, want.HostID = start(), "host"
		got, err := tx.RequestByID(t.Context(), older.ID)
		require.NoError(t, err)
		same(t, want, got)
		for _, id := range []string{"", "req_%", "' OR 1=1 --"} {
			_, err = tx.RequestByID(t.Context(), id)
			require.ErrorIs(t, err, enroll.ErrRequestNotFound)
		}
		reused := newRequest(3)
		reused.Code, reused.KeyHash = older.Code, older.KeyHash
		require.NoError(t, tx.InsertRequest(t.Context(), reused), "a code is free again once its request is decided")
		got, err = tx.RequestByKey(t.Context(), older.KeyHash)
		require.NoError(t, err)
		same(t, reused, got) // the newest
		_, err = tx.RequestByKey(t.Context(), []byte("nobody's"))
		require.ErrorIs(t, err, enroll.ErrRequestNotFound)
		return nil
	})
	got, err := s.Request(t.Context(), newer.ID)
	require.NoError(t, err)
	same(t, newer, got)
	_, err = s.Request(t.Context(), "req_0")
	require.ErrorIs(t, err, enroll.ErrRequestNotFound)
}

func pendingRequests(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	elsewhere, expired, decided, withdrawn := newRequest(2), newRequest(3), newRequest(4), newRequest(5)
	elsewhere.Net = "2001:db8::/64"
	expired.ExpiresAt = start()
	decided.Decision, decided.DecidedAt = enroll.Denied, start()
	withdrawn.Decision, withdrawn.DecidedAt, withdrawn.ExpiresAt = enroll.Withdrawn, start(), start().Add(time.Millisecond)
	count := func(tx enroll.Tx, now time.Time) [2]int {
		total, fromNet, err := tx.PendingRequests(t.Context(), now, "192.0.2.7/32")
		require.NoError(t, err)
		return [2]int{total, fromNet}
	}
	within(t, s, func(tx enroll.Tx) error {
		require.Equal(t, [2]int{0, 0}, count(tx, start()))
		for _, r := range []enroll.Request{newRequest(1), elsewhere, expired, decided, withdrawn} {
			require.NoError(t, tx.InsertRequest(t.Context(), r))
		}
		require.Equal(t, [2]int{3, 2}, count(tx, start()), "withdrawn is no way around a cap")
		require.Equal(t, [2]int{0, 0}, count(tx, start().Add(time.Hour)))
		require.NoError(t, tx.PurgeRequests(t.Context(), start(), start()))
		return nil
	})
	left := func() (ids string) {
		all, err := s.RequestPage(t.Context(), enroll.RequestQuery{Sort: enroll.ByCreation, Descending: true, Limit: 9})
		require.NoError(t, err)
		for _, r := range all.Items {
			ids += r.ID + " "
		}
		return strings.TrimSpace(ids)
	}
	require.Equal(t, "req_5 req_4 req_3 req_2 req_1", left(), "what ended at that very time stays")
	within(t, s, func(tx enroll.Tx) error {
		return tx.PurgeRequests(t.Context(), start().Add(time.Second), start().Add(time.Second))
	})
	require.Equal(t, "req_2 req_1", left())
}

func claims(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	tok := enroll.Token{
		ID: "tok_1", Workload: identity.Workload{Kind: identity.KindConnector, ID: "c-01"}, Delivery: enroll.ByClaim, Recipient: "SHA256:x",
		CreatedAt: start(), ExpiresAt: start().Add(time.Minute),
	}
	claim := enroll.Claim{Hash: []byte{1}, TokenID: "tok_1", Sealed: []byte("sealed")}
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.InsertToken(t.Context(), tok, []byte{2}))
		return tx.InsertClaim(t.Context(), claim)
	})
	for name, c := range map[string]enroll.Claim{
		"for a token that is not there": {Hash: []byte{3}, TokenID: "tok_2"},
		"twice for one token":           {Hash: []byte{4}, TokenID: "tok_1"},
	} {
		require.Error(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.InsertClaim(t.Context(), c) }), name)
	}
	within(t, s, func(tx enroll.Tx) error {
		sealed := func(want string) {
			got, err := tx.ClaimByHash(t.Context(), claim.Hash)
			require.NoError(t, err)
			require.Equal(t, "tok_1", got.TokenID)
			require.Equal(t, want, string(got.Sealed))
		}
		sealed("sealed")
		_, err := tx.ClaimByHash(t.Context(), []byte{9})
		require.ErrorIs(t, err, enroll.ErrClaimRefused)
		require.NoError(t, tx.PurgeClaims(t.Context(), tok.ExpiresAt.Add(-time.Microsecond)))
		sealed("sealed")
		require.NoError(t, tx.PurgeClaims(t.Context(), tok.ExpiresAt))
		sealed("")

		tok.OpenedAt, tok.OpenedFrom, tok.ReopenedAt, tok.ReopenedFrom = start(), "192.0.2.1", start().Add(time.Second), "192.0.2.2"
		require.NoError(t, tx.UpdateToken(t.Context(), tok))
		got, err := tx.TokenByID(t.Context(), "tok_1")
		require.NoError(t, err)
		same(t, tok, got)
		return tx.EraseClaim(t.Context(), "tok_1")
	})
}

func expiringRequests(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	until := start().Add(time.Minute)
	for n, at := range []time.Time{start(), start().Add(time.Microsecond), until, until.Add(time.Microsecond), until} {
		r := newRequest(n)
		r.ExpiresAt = at
		if n == 4 {
			r.Decision = enroll.Denied
		}
		within(t, s, func(tx enroll.Tx) error { return tx.InsertRequest(t.Context(), r) })
	}
	got, err := s.ExpiredRequests(t.Context(), start(), until)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"req_1", "req_2"}, got)
}
