package storetest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func trustDomain() spiffeid.TrustDomain {
	return spiffeid.RequireTrustDomainFromString("mycorp.internal")
}

// same compares domain values; an absent and an empty list are the same.
func same(t *testing.T, want, got any) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b spiffeid.ID) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })))
}

func tokens(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	older := enroll.Token{
		ID: "tok_1", Workload: identity.Workload{Kind: identity.KindConnector, ID: "c-01"}, Replace: true,
		Source: netip.MustParsePrefix("2001:db8::/32"), CreatedBy: "key:böb", CreatedAt: start(), ExpiresAt: start().Add(time.Minute),
	}
	newer := enroll.Token{
		ID: "tok_2", Workload: identity.Workload{Kind: identity.KindTunneler, ID: "t-01"},
		CreatedAt: start().Add(time.Microsecond), ExpiresAt: start().Add(time.Hour),
	}
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.InsertToken(t.Context(), older, []byte{0, 1}))
		return tx.InsertToken(t.Context(), newer, []byte{0, 2})
	})
	all, err := enrolltest.Tokens(t.Context(), s)
	require.NoError(t, err)
	same(t, []enroll.Token{newer, older}, all) // newest first

	for name, spoil := range map[string]func(*enroll.Token) []byte{
		"its hash": func(tok *enroll.Token) []byte { tok.ID = "tok_3"; return []byte{0, 1} },
		"its id":   func(*enroll.Token) []byte { return []byte{0, 3} },
	} {
		again := older
		hash := spoil(&again)
		require.Error(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.InsertToken(t.Context(), again, hash) }),
			"a token cannot be inserted twice, known by %s", name)
	}
	within(t, s, func(tx enroll.Tx) error {
		byHash, err := tx.TokenByHash(t.Context(), []byte{0, 1})
		require.NoError(t, err)
		same(t, older, byHash)
		byHash.ClaimedAt, byHash.RevokedAt, byHash.KeyHash, byHash.HostID = start(), start().Add(time.Second), []byte{9}, "host"
		byHash.Workload.ID, byHash.ExpiresAt = "somebody-else", start().Add(time.Hour) // an update writes the claim and nothing else
		require.NoError(t, tx.UpdateToken(t.Context(), byHash))
		byID, err := tx.TokenByID(t.Context(), "tok_1")
		require.NoError(t, err)
		want := older
		want.ClaimedAt, want.RevokedAt, want.KeyHash, want.HostID = start(), start().Add(time.Second), []byte{9}, "host"
		same(t, want, byID)

		for _, hash := range [][]byte{nil, {}, {0}, {0, 1, 0}, []byte("\x00\x01' OR 1=1")} {
			_, err = tx.TokenByHash(t.Context(), hash)
			require.ErrorIs(t, err, enroll.ErrTokenNotFound)
		}
		_, err = tx.TokenByID(t.Context(), "tok_%")
		require.ErrorIs(t, err, enroll.ErrTokenNotFound)
		return nil
	})
}

// hosts: PutHost of a host that exists changes its agent id and its certificate
// only. It writes what was read a while ago, and a mark set meanwhile must stay.
func hosts(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	h := put(t, s)
	contested, revoked := start().Add(time.Minute), start().Add(time.Hour)
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.ContestHost(t.Context(), h.ID, contested))
		require.NoError(t, tx.ContestHost(t.Context(), h.ID, contested.Add(time.Minute)))
		require.NoError(t, tx.RevokeHost(t.Context(), h.ID, revoked))
		return tx.RevokeHost(t.Context(), h.ID, revoked.Add(time.Minute))
	})
	stale := h // neither mark, and fields that must not change
	stale.Certificate, stale.KeyHash, stale.Hostname, stale.EnrolledAt = []byte("cert"), []byte("another key"), "elsewhere", start().Add(time.Hour)
	stale.AgentID = spiffeid.RequireFromPath(trustDomain(), "/spire/agent/join_token/x")
	within(t, s, func(tx enroll.Tx) error { return tx.PutHost(t.Context(), stale) })

	want := h
	want.Certificate, want.AgentID, want.ContestedAt, want.RevokedAt = stale.Certificate, stale.AgentID, contested, revoked
	within(t, s, func(tx enroll.Tx) error {
		got, err := tx.Host(t.Context(), h.ID)
		require.NoError(t, err)
		same(t, want, got)
		_, err = tx.Host(t.Context(), identity.NewHostID())
		require.ErrorIs(t, err, fleet.ErrNotFound)
		return nil
	})
	all, err := s.Hosts(t.Context())
	require.NoError(t, err)
	same(t, []fleet.Host{want}, all)
}

func hostKeys(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	h := put(t, s)
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.RevokeHost(t.Context(), h.ID, start()))
		known, err := tx.HostKeyKnown(t.Context(), h.KeyHash)
		require.NoError(t, err)
		require.True(t, known, "of a revoked host too")
		known, err = tx.HostKeyKnown(t.Context(), []byte("new"))
		require.NoError(t, err)
		require.False(t, known)
		return nil
	})
	twin := newHost(t)
	twin.KeyHash = h.KeyHash
	require.Error(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.PutHost(t.Context(), twin) }))
	all, err := s.Hosts(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	orphan := newMember(identity.KindConnector, "orphan", twin)
	require.Error(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.PutMember(t.Context(), orphan) }), "a member lives on a host that exists")
}
