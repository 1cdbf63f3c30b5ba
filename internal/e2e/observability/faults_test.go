package observability_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // to hold the lock that the controller waits for

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// atWork is a controller with a connector and a tunneler, to which this and that
// happens.
func atWork(t *testing.T, w *watch) {
	begun := time.Now()
	s := newSite(t, w, "--audit-export-file", filepath.Join(t.TempDir(), "not-mounted", "audit.jsonl"))
	s.boot()
	gateway, gatewayAt := s.join("connector", "gateway")
	laptop, _ := s.join("tunneler", "laptop")
	second := s.second(gateway, "tunneler", "second")
	here := at(s.Run.Health)

	s.fires("ZeroTrustWorkloadAPIDown", at(gatewayAt), func() {
		_, err := gateway.Agent.Stop()
		require.NoError(t, err)
	})
	require.NoError(t, gateway.StartAgent())
	s.rests("ZeroTrustWorkloadAPIDown", at(gatewayAt))

	lost, _ := s.host("tunneler", "lost")
	s.Enroll(lost)
	since := time.Now()
	s.fires("ZeroTrustPolicyLag", here, func() {
		require.NoError(t, gateway.Program.Pause())
		require.NoError(t, s.API.RevokeTunneler(t.Context(), lost.ID))
	})
	require.NoError(t, gateway.Program.Signal(syscall.SIGCONT))
	s.alerted("ZeroTrustRevocationSlow", here, since)
	s.rests("ZeroTrustPolicyLag", here)

	s.fires("ZeroTrustStoreSlow", at(s.Run.Health, "operation", "begin"), s.holdTheDatabase)

	s.fires("ZeroTrustCARotationStuck", at(s.Run.Health, "phase", "prepared"), func() {
		require.NoError(t, laptop.Program.Pause())
		_, err := s.API.Rotate(t.Context(), adminapi.RotationRequest{Offline: "wait"})
		require.NoError(t, err)
	})
	require.NoError(t, laptop.Program.Signal(syscall.SIGCONT))
	s.rests("ZeroTrustCARotationStuck", here)

	since = time.Now()
	s.fires("ZeroTrustConnectorOffline", here, func() {
		s.Online(laptop)
		for _, h := range []*world.Host{gateway, laptop, second} {
			_, err := h.Program.Stop()
			require.NoError(t, err)
		}
	})
	s.alerted("ZeroTrustTunnelersVanished", here, since)
	for _, h := range []*world.Host{gateway, laptop, second} {
		require.NoError(t, h.StartProgram())
	}
	s.rests("ZeroTrustConnectorOffline", here)
	s.rests("ZeroTrustTunnelersVanished", here)

	s.alerted("ZeroTrustAuditExportStuck", at(s.Run.Health, "sink", "file"), begun)
	s.witnessed(gateway)
	since = time.Now()
	s.fires("ZeroTrustAuditRefused", at(gatewayAt), func() { s.rollBack(gateway) })
	s.alerted("ZeroTrustAuditRefused", here, since)
	s.alerted("ZeroTrustAuditRetentionFailing", here, since)
}

// holdTheDatabase keeps the controller from writing, for longer than it takes a
// healthy disk.
func (s *site) holdTheDatabase() {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.Dir, "controller.db"))
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, db.Close()) }()
	conn, err := db.Conn(s.t.Context())
	require.NoError(s.t, err)
	_, err = conn.ExecContext(s.t.Context(), "PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE")
	require.NoError(s.t, err)
	written := make(chan error, 1)
	go func() {
		_, err := s.Token(s.t.Context(), "tunneler", "waits")
		written <- err
	}()
	<-time.After(2 * time.Second)
	_, err = conn.ExecContext(s.t.Context(), "ROLLBACK")
	require.NoError(s.t, err)
	require.NoError(s.t, conn.Close())
	require.NoError(s.t, <-written)
}

// rollBack puts an older database in the place of the controller's, with a statement of
// the audit log that its key did not sign.
func (s *site) rollBack(by *world.Host) {
	s.t.Helper()
	s.halt()
	database := filepath.Join(s.Dir, "controller.db")
	yesterday, err := os.ReadFile(database)
	require.NoError(s.t, err)
	s.resume()
	s.Online(by)
	for i := range 3 {
		_, err := s.Token(s.t.Context(), "connector", fmt.Sprintf("later-%d", i))
		require.NoError(s.t, err)
	}
	s.witnessed(by)
	s.halt()
	s.putBack(yesterday)
	s.forgeAnAnchor(database)
	require.NoError(s.t, s.Launch())
	require.NoError(s.t, s.WaitServing(s.t.Context())) // a controller with a forged log is not ready
	s.Connect()
}

// forgeAnAnchor adds an anchor of renewals to the database of a controller that is off.
func (s *site) forgeAnAnchor(database string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", database)
	require.NoError(s.t, err)
	_, err = db.ExecContext(s.t.Context(), `INSERT INTO audit (time, actor, action, target, outcome, reason, request_id, source, after)
		VALUES (1, 'controller', 'svid.anchor', 'audit', 'success', '', '', '', '{}')`)
	require.NoError(s.t, err)
	require.NoError(s.t, db.Close())
}

// witnessed waits until a connector has witnessed what was recorded until now.
func (s *site) witnessed(h *world.Host) {
	s.t.Helper()
	since := time.Now()
	s.eventually("the connector to witness the log", func(ctx context.Context) error {
		v, err := s.API.AuditVerification(ctx)
		if err != nil {
			return err
		}
		for _, w := range v.Witnesses {
			if w.ConnectorID == h.ID && w.Size >= v.Checkpoint.Size && time.Since(since) >= 2*time.Second {
				return nil
			}
		}
		return fmt.Errorf("witnessed %+v of %d", v.Witnesses, v.Checkpoint.Size)
	})
}

// dying is a controller whose spire-server hangs until its authority has nearly
// expired, and which then ends.
func dying(t *testing.T, w *watch) {
	s := newSite(t, w, "--spire-ca-ttl", "2m", "--spire-agent-ttl", "1m",
		"--svid-ttl-connector", "40s", "--svid-ttl-tunneler", "40s", "--svid-ttl-controller", "40s")
	s.boot()
	server, here := s.spireServer(), at(s.Run.Health)
	began := time.Now()
	s.fires("ZeroTrustSPIREServerDown", at(s.spire), func() {
		require.NoError(t, world.Pause(server))
	})
	s.alerted("ZeroTrustSVIDNotRenewed", here, began)
	s.alerted("ZeroTrustCAExpiring", here, began)
	require.NoError(t, syscall.Kill(server, syscall.SIGCONT))
	s.rests("ZeroTrustSPIREServerDown", at(s.spire))
	s.fires("ZeroTrustControllerDown", here, s.halt)
}
