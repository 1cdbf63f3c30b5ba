package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// prunedTokens: those of enrolled hosts stay, and so does what ended lately.
func prunedTokens(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	live := put(t, s, newMember(identity.KindConnector, "live", fleet.Host{}))
	gone := put(t, s, newMember(identity.KindConnector, "gone", fleet.Host{}))
	late := put(t, s, newMember(identity.KindConnector, "late", fleet.Host{}))
	cut := start().Add(time.Hour)
	old, recent := cut.Add(-time.Second), cut
	for id, tok := range map[string]enroll.Token{
		"unused":         {ExpiresAt: old},
		"revoked":        {ExpiresAt: old, RevokedAt: start()},
		"of a gone host": {ExpiresAt: old, ClaimedAt: start(), HostID: gone.ID},
		"of a live host": {ExpiresAt: old, ClaimedAt: start(), HostID: live.ID},
		"of a late host": {ExpiresAt: old, ClaimedAt: start(), HostID: late.ID},
		"recent":         {ExpiresAt: recent},
	} {
		tok.ID, tok.Workload, tok.CreatedAt, tok.Delivery = id, connector("c"), start(), enroll.Plain
		within(t, s, func(tx enroll.Tx) error {
			if err := tx.InsertToken(t.Context(), tok, []byte(id)); err != nil {
				return err
			}
			if err := tx.InsertClaim(t.Context(), enroll.Claim{Hash: []byte(id), TokenID: id}); err != nil {
				return err
			}
			return tx.UpdateToken(t.Context(), tok)
		})
	}
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.RevokeHost(t.Context(), gone.ID, old))
		return tx.RevokeHost(t.Context(), late.ID, recent)
	})
	for range 2 {
		within(t, s, func(tx enroll.Tx) error { return tx.PruneTokens(t.Context(), cut) })
		left, err := enrolltest.Tokens(t.Context(), s)
		require.NoError(t, err)
		var ids []string
		for _, tok := range left {
			ids = append(ids, tok.ID)
		}
		require.ElementsMatch(t, []string{"of a live host", "of a late host", "recent"}, ids)
	}
	within(t, s, func(tx enroll.Tx) error {
		_, err := tx.ClaimByHash(t.Context(), []byte("recent"))
		require.NoError(t, err)
		_, err = tx.ClaimByHash(t.Context(), []byte("unused"))
		require.ErrorIs(t, err, enroll.ErrClaimRefused)
		return nil
	})
}

// prunedWitnesses: what a connector said goes some time after its revocation.
func prunedWitnesses(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	var said []audit.Witness
	for _, id := range []string{"gone", "late", "live"} {
		put(t, s, newMember(identity.KindConnector, id, fleet.Host{}))
		said = append(said, audit.Witness{Connector: id, Size: 1, At: start()})
	}
	require.NoError(t, s.PutWitnesses(t.Context(), said))
	cut := start().Add(time.Hour)
	within(t, s, func(tx enroll.Tx) error {
		require.NoError(t, tx.RevokeMember(t.Context(), connector("gone"), cut.Add(-time.Second)))
		return tx.RevokeMember(t.Context(), connector("late"), cut)
	})
	require.NoError(t, s.PruneWitnesses(t.Context(), cut))
	left, err := s.Witnesses(t.Context())
	require.NoError(t, err)
	require.Equal(t, said[1:], left)
}
