package rotation_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

const (
	connectorName = "connector/c-01"
	tunnelerName  = "tunneler/t-01"
)

func TestAStoppedPeerHoldsItUpAndIsNamed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	before := s.ca()

	t.Log("a dry run changes nothing")
	dry := s.cli("ca", "rotate", "--dry-run", "-o", "json")
	require.Zero(t, dry.Code, dry.Stderr)
	p := decode[adminapi.RotationPreview](t, dry.Stdout)
	require.True(t, p.DryRun)
	require.Equal(t, trusted(before), p.Replaces)
	require.Len(t, p.Steps, 5)
	require.Equal(t, before, s.ca())
	require.Contains(t, s.cli("ca", "rotate", "--dry-run").Stdout, "Nothing was changed")

	t.Log("no rotation can be aborted or resumed yet")
	require.Equal(t, 1, s.cli("ca", "abort").Code)
	require.Equal(t, 1, s.cli("ca", "resume", "--yes").Code)

	require.NoError(t, s.tunneler.Program.Pause())
	_, err := s.API.Rotate(t.Context(), adminapi.RotationRequest{Offline: "wait"})
	require.NoError(t, err)
	r := s.heldUp("prepared", tunnelerName)
	require.Less(t, r.Gate.Through, r.Gate.Total)
	require.Contains(t, s.cli("ca", "status").Stdout, tunnelerName)

	t.Log("a second one is refused, an abort leaves the prepared authority")
	_, err = s.API.Rotate(t.Context(), adminapi.RotationRequest{})
	var refused *adminclient.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, adminapi.TypeRotation, refused.Type)
	require.Contains(t, s.cli("ca", "abort").Stdout, "aborted in phase prepared")
	require.Equal(t, adminapi.RotationAborted, s.ca().Rotation.Status)
	require.Len(t, trusted(s.ca()), 2)
	require.Equal(t, "prepared", s.ca().Automatic.Phase, "from now on it is as if SPIRE had prepared it")

	t.Log("the next one uses it, and waits until the peer is back")
	require.Equal(t, s.ca().Automatic.Authority, decode[adminapi.RotationPreview](t, s.cli("ca", "rotate", "--dry-run", "-o", "json").Stdout).Reuses)
	prepared := s.ca().Automatic.Authority
	_, err = s.API.Rotate(t.Context(), adminapi.RotationRequest{Offline: "wait"})
	require.NoError(t, err)
	s.heldUp("prepared", tunnelerName)
	require.NoError(t, s.tunneler.Program.Signal(syscall.SIGCONT))
	t.Logf("%s", phases(s.untilDone()))
	require.Equal(t, []string{prepared}, trusted(s.ca()))
}

func TestADeadlineGoesOnWithoutThem(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	require.NoError(t, s.tunneler.Program.Pause())
	start := time.Now()
	res := s.cli("ca", "rotate", "--yes", "--deadline", "10s", "-o", "json")
	require.Zero(t, res.Code, res.Stderr)
	r := decode[adminapi.Rotation](t, res.Stdout)
	require.Contains(t, r.Dropped, tunnelerName)
	require.Contains(t, res.Stderr, "blocked by "+tunnelerName)
	require.GreaterOrEqual(t, time.Since(start), 10*time.Second)
	t.Logf("%s, continued without %v", phases(r), r.Dropped)
	require.Len(t, trusted(s.ca()), 1)

	t.Log("who was dropped heals by itself")
	require.NoError(t, s.tunneler.Program.Signal(syscall.SIGCONT))
	s.Eventually(soon, "tunneler ONLINE under the new authority", func(ctx context.Context) error {
		seen, err := s.tunneler.Seen(ctx, s.API)
		if err == nil && (seen.Status != adminapi.Online || seen.SVID.AuthorityID != trusted(s.ca())[0]) {
			err = fmt.Errorf("is %s with an SVID of %s", seen.Status, seen.SVID.AuthorityID)
		}
		return err
	})
}

func TestADeadlineAborts(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	require.NoError(t, s.connector.Program.Pause())
	res := s.cli("ca", "rotate", "--yes", "--deadline", "10s", "--on-deadline", "abort", "--offline", "wait")
	require.Equal(t, 1, res.Code)
	require.Contains(t, res.Stderr, "was aborted (deadline reached, blocked by "+connectorName)
	require.Equal(t, "prepared", s.ca().Automatic.Phase)
	require.NoError(t, s.connector.Program.Signal(syscall.SIGCONT))
	s.Eventually(soon, "connector ONLINE", func(ctx context.Context) error { return s.connector.Online(ctx, s.API) })
}

func TestAnEmergencyReplacesAllAndWaitsForNobody(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	require.NoError(t, s.tunneler.Program.Pause())
	_, err := s.API.Rotate(t.Context(), adminapi.RotationRequest{Offline: "wait"})
	require.NoError(t, err)
	s.heldUp("prepared", tunnelerName)
	before := trusted(s.ca())
	require.Len(t, before, 2)
	require.Equal(t, 2, s.cli("ca", "rotate", "--emergency").Code, "nobody to ask, and no --yes")

	t.Log("it takes the ordinary one over, and the prepared authority goes too: its key lay beside")
	res := s.cli("ca", "rotate", "--emergency", "--yes", "-o", "json")
	require.Zero(t, res.Code, res.Stderr)
	r := decode[adminapi.Rotation](t, res.Stdout)
	t.Logf("emergency: %s", phases(r))
	require.ElementsMatch(t, before, r.Replaces)
	require.Less(t, r.EndedAt.Sub(r.StartedAt), 60*time.Second)
	left := trusted(s.ca())
	require.Len(t, left, 1)
	require.NotContains(t, before, left[0])

	require.NoError(t, s.tunneler.Program.Signal(syscall.SIGCONT))
	over := time.Now()
	for _, host := range []*world.Host{s.connector, s.tunneler} {
		s.Eventually(soon, host.ID+" is well", func(ctx context.Context) error {
			seen, err := host.Seen(ctx, s.API)
			if err == nil && (seen.Status != adminapi.Online || seen.SVID.AuthorityID != left[0]) {
				err = fmt.Errorf("is %s with an SVID of %s", seen.Status, seen.SVID.AuthorityID)
			}
			return err
		})
	}
	t.Logf("everybody well %.1f s later", time.Since(over).Seconds())
}
