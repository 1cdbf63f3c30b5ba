package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // to do to a database what the controller never does

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// verified is what audit verify prints.
type verified struct {
	OK      bool                   `json:"ok"`
	Records int64                  `json:"records"`
	Problem *adminapi.AuditProblem `json:"problem"`
}

// TestAuditLogRolledBackOrChangedIsNamed is the promise of the audit log: a byte
// changed and a row deleted are found from the database alone, and a database of
// yesterday by what a connector keeps, by nothing else.
func TestAuditLogRolledBackOrChangedIsNamed(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector := s.join("a", "connector", "c-01")
	s.token("connector", "c-02")
	s.witnessed(connector)
	s.halt()
	yesterday := s.copyDatabase("yesterday.db")

	s.start()
	for i := range 4 {
		s.token("connector", fmt.Sprintf("c-1%d", i))
	}
	s.online(connector)
	records := s.witnessed(connector)
	s.eventually(soon, "the API to know the witness", func(ctx context.Context) error {
		v, err := s.api.AuditVerification(ctx)
		switch {
		case err != nil:
			return err
		case v.State != "ok" || len(v.Witnesses) != 1 || v.Witnesses[0].Failure != "" || v.Witnesses[0].Size == 0:
			return fmt.Errorf("verification: %+v", v)
		}
		return nil
	})
	require.True(t, s.verify(0).OK)
	require.True(t, s.verify(0, "--witness", s.witnessFile(connector)).OK)
	s.halt()
	s.wrote(connector, records)
	today := s.copyDatabase("today.db")

	// Yesterday's database: in itself it is intact.
	s.putDatabase(yesterday)
	require.True(t, s.verify(0).OK)
	bad := s.verify(1, "--witness", s.witnessFile(connector))
	require.Equal(t, "rolled back", bad.Problem.Kind)
	require.Equal(t, bad.Records, bad.Problem.Index, "the first record that is gone")
	require.Contains(t, bad.Problem.Detail, "witnessed")
	s.start()
	s.eventually(soon, "the connector to name it", func(ctx context.Context) error {
		at, err := connector.Addresses()
		if err != nil {
			return err
		}
		err = world.Readyz(ctx, at.Health)
		if err == nil || !strings.Contains(err.Error(), "audit_witness") || !strings.Contains(err.Error(), "rolled back") {
			return fmt.Errorf("readyz says %w", errors.Join(err, errors.New("not that")))
		}
		return nil
	})
	s.logged(connector.Program, "audit log of the controller does not extend the witnessed one")
	show, err := world.Run(t.Context(), connector.Spec("witness", "witness", "show", "--config", connector.ConfFile()), "")
	require.NoError(t, err)
	require.Contains(t, show.Stdout, "REFUSED")

	// Grown beyond what was witnessed it is another log, and known for it.
	for i := range 12 {
		s.token("connector", fmt.Sprintf("c-2%d", i))
	}
	s.eventually(soon, "the log to grow", func(ctx context.Context) error {
		v, err := s.api.AuditVerification(ctx)
		if err == nil && v.Checkpoint.Size <= bad.Records+12 {
			err = errors.New("not yet")
		}
		return err
	})
	s.enroll(s.host("b", "tunneler", "t-01")) // that is a newer policy
	s.logged(connector.Program, "policy refused")
	s.halt()
	require.True(t, s.verify(0).OK)
	require.Equal(t, "rolled back", s.verify(1, "--witness", s.witnessFile(connector)).Problem.Kind)

	// Today's database again: the connector believes it again by itself.
	s.putDatabase(today)
	s.start()
	s.eventually(soon, "the connector ready", func(ctx context.Context) error {
		at, err := connector.Addresses()
		if err != nil {
			return err
		}
		return world.Readyz(ctx, at.Health)
	})
	s.halt()

	for name, c := range map[string]struct{ query, kind string }{
		"one byte changed": {`UPDATE audit SET target = replace(target, 'tok_', 'tol_') WHERE idx = (SELECT min(idx) FROM audit WHERE target LIKE 'token/tok_%')`, "changed"},
		"one row deleted":  {`DELETE FROM audit WHERE idx = 2`, "deleted"},
	} {
		copied := filepath.Join(s.dir, strings.ReplaceAll(name, " ", "-")+".db")
		raw, err := os.ReadFile(today)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied, raw, 0o600))
		db, err := sql.Open("sqlite", copied)
		require.NoError(t, err)
		res, err := db.ExecContext(t.Context(), c.query)
		require.NoError(t, err)
		n, err := res.RowsAffected()
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		require.NoError(t, db.Close())
		got := s.verify(1, "--database", copied)
		require.Equal(t, c.kind, got.Problem.Kind, name)
		require.NotEmpty(t, got.Problem.Detail)
	}
}

// halt stops the controller and requires a clean end.
func (s *system) halt() {
	s.t.Helper()
	code, err := s.Stop()
	require.NoError(s.t, err)
	require.Zero(s.t, code)
}

func (s *system) copyDatabase(name string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	raw, err := os.ReadFile(filepath.Join(s.Dir, "controller.db"))
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(path, raw, 0o600))
	return path
}

func (s *system) putDatabase(from string) {
	s.t.Helper()
	raw, err := os.ReadFile(from)
	require.NoError(s.t, err)
	to := filepath.Join(s.Dir, "controller.db")
	for _, rest := range []string{"-wal", "-shm"} {
		if err := os.Remove(to + rest); !errors.Is(err, os.ErrNotExist) {
			require.NoError(s.t, err)
		}
	}
	require.NoError(s.t, os.WriteFile(to, raw, 0o600))
}

func (s *system) witnessFile(h *world.Host) string {
	return filepath.Join(h.StateDir(), witness.FileName)
}

// witnessed waits until the connector has witnessed everything that was recorded
// until now, and returns how much that is. The file may be written later.
func (s *system) witnessed(h *world.Host) (records int64) {
	s.t.Helper()
	since := time.Now()
	s.eventually(soon, "the connector to witness the log", func(ctx context.Context) error {
		v, err := s.api.AuditVerification(ctx)
		if err != nil {
			return err
		}
		for _, w := range v.Witnesses {
			if w.ConnectorID == h.ID && w.Size >= v.Checkpoint.Size && time.Since(since) >= 2*time.Second {
				records = w.Size
				return nil
			}
		}
		return fmt.Errorf("witnessed %+v of %d", v.Witnesses, v.Checkpoint.Size)
	})
	return records
}

// wrote waits until the connector's file has what it witnessed: it is written when the
// controller has gone.
func (s *system) wrote(h *world.Host, records int64) {
	s.t.Helper()
	s.eventually(soon, "the connector to write what it witnessed", func(context.Context) error {
		f, err := witness.Load(s.witnessFile(h))
		if err != nil {
			return err
		}
		kept, err := f.Kept()
		if err == nil && kept.Checkpoint.Size < records {
			err = fmt.Errorf("%d of %d", kept.Checkpoint.Size, records)
		}
		return err
	})
}

// verify runs audit verify, whose exit code must be this one.
func (s *system) verify(code int, args ...string) verified {
	s.t.Helper()
	r, err := s.CLI(s.t.Context(), append([]string{"audit", "verify", "-o", "json"}, args...)...)
	require.NoError(s.t, err)
	require.Equal(s.t, code, r.Code, "%s%s", r.Stdout, r.Stderr)
	return decode[verified](s.t, r.Stdout)
}
