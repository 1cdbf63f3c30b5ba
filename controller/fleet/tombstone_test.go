package fleet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func (w *world) bans() *fleet.BanWatch {
	return fleet.NewBanWatch(fleet.BanWatchConfig{Store: w.store, SPIRE: w.spire, Now: w.clock.Now, Log: zap.NewNop()})
}

func certificate(t *testing.T, until time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-24 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	return der
}

// TestARevokedHostIsBannedOnSight: also when all that is known of it was pruned, and
// when SPIRE's datastore is of before the ban. Not after its certificate has ended, and
// not while another of its roles lives.
func TestARevokedHostIsBannedOnSight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ends := w.clock.Now().Add(time.Hour).Truncate(time.Second)
	h, shared := w.enroll(t, connector("gone")), w.enroll(t, connector("lives"), tunneler("gone"))
	h.Certificate = certificate(t, ends)
	require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.PutHost(t.Context(), h) }))
	look := func() {
		require.NoError(t, w.bans().Look(t.Context()))
	}
	banned := func(h fleet.Host) bool {
		a, err := w.spire.Agent(t.Context(), h.AgentID)
		require.NoError(t, err)
		return a.Banned
	}
	w.spire.Attest(h.AgentID)
	w.spire.Attest(shared.AgentID)
	look()
	require.False(t, banned(h), "it is not revoked")
	w.revoke(t, connector("gone"))
	w.revoke(t, tunneler("gone"))
	look()
	require.True(t, banned(h))
	require.False(t, banned(shared), "another role lives there")

	db, err := sql.Open("sqlite", w.file)
	require.NoError(t, err)
	for _, statement := range []string{`DELETE FROM connectors WHERE id = 'gone'`, `DELETE FROM hosts WHERE id = '` + string(h.ID) + `'`} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
	w.spire.Unban(h.AgentID)
	look()
	require.True(t, banned(h), "its detail was pruned, its tombstone was not")

	w.spire.Unban(h.AgentID)
	w.clock.Advance(time.Hour + time.Second)
	look()
	require.False(t, banned(h), "its certificate has ended: it cannot attest again")
}

// TestTheBanWatchLooksAtAllAtItsStart: a restored controller bans before anything else
// happens, however many were revoked; later it takes its time.
func TestTheBanWatchLooksAtAllAtItsStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, turn = 2100, (2100/50 + 2) * 10 * time.Second
		s, spire := make(stones, n), enrolltest.NewSPIRE(td)
		for i := range s {
			s[i].HostID = identity.HostID(fmt.Sprintf("h%04d", i))
			s[i].AgentID = spiffeid.RequireFromPath(td, "/spire/agent/x509pop/"+string(s[i].HostID))
			if i > 0 { // nobody knows the first one
				spire.Attest(s[i].AgentID)
			}
		}
		banned := func() (all int) {
			agents, err := spire.Agents(t.Context())
			require.NoError(t, err)
			for _, a := range agents {
				if a.Banned {
					all++
				}
			}
			return all
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		w := fleet.NewBanWatch(fleet.BanWatchConfig{Store: s, SPIRE: spire, Now: time.Now, Log: zap.NewNop()})
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, n-1, banned())
		calls := spire.Calls()
		require.Zero(t, calls["Agent"], "they are listed, and not asked for one by one")
		require.Less(t, calls["EachAgents"], n/10)

		spire.Unban(s[120].AgentID)
		<-time.After(turn) // of fake time
		synctest.Wait()
		require.Equal(t, n-1, banned())

		spire.Fail("Agent", errors.New("SPIRE is away"))
		spire.Unban(s[1].AgentID)
		<-time.After(turn)
		synctest.Wait()
		<-time.After(turn)
		synctest.Wait()
		require.Equal(t, n-1, banned(), "one that fails is tried again")
		cancel()
		require.NoError(t, <-done)
	})
}

// stones is a store in memory.
type stones []fleet.Tombstone

func (s stones) Tombstones(_ context.Context, after identity.HostID, limit int, _ time.Time) (out []fleet.Tombstone, err error) {
	for _, one := range s {
		if one.HostID > after && len(out) < limit {
			out = append(out, one)
		}
	}
	return out, nil
}
