package rotation_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func TestAKilledControllerGoesOn(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	before := s.active()
	require.NoError(t, s.tunneler.Program.Pause())
	_, err := s.API.Rotate(t.Context(), adminapi.RotationRequest{Offline: "wait"})
	require.NoError(t, err)
	first := s.heldUp("prepared", tunnelerName)

	t.Log("killed while it waits for everybody to trust the new authority; SPIRE dies with it")
	s.Kill()
	s.Boot()
	again := s.heldUp("prepared", tunnelerName)
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, before, s.active())
	require.Len(t, trusted(s.ca()), 2, "nothing was prepared twice")
	require.NoError(t, s.tunneler.Program.Signal(syscall.SIGCONT))

	t.Log("killed while it waits for the old authority to fall out of use")
	s.until("tainted", func(r adminapi.Rotation) bool { return r.Phase == "tainted" })
	s.Kill()
	s.Boot()
	r := s.ca().Rotation
	require.Equal(t, first.ID, r.ID)
	// Nobody holds it up, so it may even have come to its end before we asked.
	require.Contains(t, []string{adminapi.RotationRunning, adminapi.RotationDone}, r.Status, "the rotation continues")
	if code := s.cli("ca", "abort").Code; code != 1 {
		t.Fatalf("an abort after activation exits with %d", code)
	}
	done := s.untilDone()
	t.Logf("%s", phases(done))
	require.Equal(t, first.ID, done.ID)
	require.NotContains(t, trusted(s.ca()), before)
	require.Len(t, trusted(s.ca()), 1)
	require.Equal(t, s.active(), s.Seen(s.connector).SVID.AuthorityID)
	require.Equal(t, s.active(), s.Seen(s.tunneler).SVID.AuthorityID)

	t.Log("killed at any moment of a rotation that nobody holds up")
	for _, phase := range []string{"preparing", "prepared", "active", "tainted", "revoked", "distrusted"} {
		old := s.active()
		started, err := s.API.Rotate(t.Context(), adminapi.RotationRequest{})
		require.NoError(t, err)
		at := s.until("at least "+phase, func(r adminapi.Rotation) bool { return reached(r, phase) })
		s.Kill()
		s.Boot()
		r := s.untilDone()
		t.Logf("killed in phase %s: %s", at.Phase, phases(r))
		require.Equal(t, started.ID, r.ID)
		require.NotEqual(t, old, s.active())
		require.Len(t, trusted(s.ca()), 1, "one was prepared, and the old one is gone")
	}
}

// reached says that the rotation is in the phase or past it.
func reached(r adminapi.Rotation, phase string) bool {
	for _, p := range r.Phases {
		if p.Phase == phase {
			return true
		}
	}
	return false
}
