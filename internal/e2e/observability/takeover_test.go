package observability_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// oldBootstrapCA has the controller find a bootstrap CA at its first start that has two of
// its ten years' months left.
func (s *site) oldBootstrapCA() {
	s.t.Helper()
	made := func() time.Time { return time.Now().AddDate(-10, 2, 0) }
	_, err := bootstrapca.Open(filepath.Join(s.Dir, "bootstrap"), spiffeid.RequireTrustDomainFromString("mycorp.internal"), made)
	require.NoError(s.t, err)
}

// replaced is a replacement of the bootstrap CA that one host holds up. Meanwhile other
// faults may be caused: the alert waits for a while.
func (s *site) replaced(by *world.Host, meanwhile func()) {
	s.t.Helper()
	stuck := at(s.Run.Health, "phase", "prepared")
	require.NoError(s.t, by.Agent.Pause())
	begin := time.Now()
	s.fires("ZeroTrustBootstrapCAReplacementStuck", stuck, func() {
		_, err := s.API.ReplaceBootstrapCA(s.t.Context(), adminapi.BootstrapRequest{})
		require.NoError(s.t, err)
		s.eventually("the SPIRE server has started with both", func(ctx context.Context) error {
			ca, err := s.API.BootstrapCA(ctx)
			if err == nil && ca.Replacement.Phase != "prepared" {
				err = fmt.Errorf("the phase is %s", ca.Replacement.Phase)
			}
			return err
		})
		meanwhile()
	})
	s.alerted("ZeroTrustBootstrapCAExpiring", at(s.Run.Health), begin)
	require.NoError(s.t, by.Agent.Signal(syscall.SIGCONT))
	_, err := s.API.AbortBootstrapCA(s.t.Context())
	require.NoError(s.t, err)
	s.rests("ZeroTrustBootstrapCAReplacementStuck", stuck)
}

// recoveryKey makes one, which whoever enrolls from now on pins, and returns its file.
func (s *site) recoveryKey() string {
	s.t.Helper()
	file := s.Path("recovery-key")
	s.command("recovery", "init", "--out", file)
	return file
}

// command is one of the command line that must succeed.
func (s *site) command(args ...string) {
	s.t.Helper()
	r, err := s.CLI(s.t.Context(), args...)
	require.NoError(s.t, err)
	require.Zero(s.t, r.Code, r.Stderr)
}

// takenOverTwice restores the controller twice from one backup and begins a timeline each
// time: two statements for one number, which are what a thief of the recovery key makes.
func (s *site) takenOverTwice(key, witness string) {
	s.t.Helper()
	s.halt()
	backup, err := os.ReadFile(filepath.Join(s.Dir, "controller.db"))
	require.NoError(s.t, err)
	s.command("recovery", "start", "--key-file", key, "--reason", "disk died")
	s.resume()
	s.eventually("the second timeline is followed", func(ctx context.Context) error {
		n, err := s.watch.series(ctx, fmt.Sprintf("zerotrust_timeline{instance=%q} == 2", witness))
		if err == nil && n == 0 {
			err = errors.New("it is not")
		}
		return err
	})
	s.fires("ZeroTrustTimelineStopped", at(witness), func() {
		s.halt()
		s.putBack(backup)
		s.command("recovery", "start", "--key-file", key, "--reason", "another disk died")
		s.resume()
	})
}

// resume starts the controller again.
func (s *site) resume() {
	s.t.Helper()
	require.NoError(s.t, s.Start(s.t.Context()))
	s.Connect()
}

// putBack puts an older database in the place of that of a controller that is off.
func (s *site) putBack(older []byte) {
	s.t.Helper()
	database := filepath.Join(s.Dir, "controller.db")
	for _, rest := range []string{"-wal", "-shm"} {
		if err := os.Remove(database + rest); !errors.Is(err, os.ErrNotExist) {
			require.NoError(s.t, err)
		}
	}
	require.NoError(s.t, os.WriteFile(database, older, 0o600))
}
