package rotation_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

// clinging are scenes in which these have no news of bundles once the new
// authority is trusted.
func clinging(ids ...string) func(*scene) {
	return func(s *scene) {
		s.byItself("prepare")
		s.world.Peers()
		s.world.Self()
		for _, id := range ids {
			s.world.Cling(id, true)
		}
	}
}

func TestItIsNotDoneWhileAnybodyTrustsTheRevokedAuthority(t *testing.T) {
	t.Parallel()
	for id, name := range map[string]string{"c-01": "connector/c-01", "t-01": "tunneler/t-01", "self": "controller/self"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, clinging(id), ordinary, func(t *testing.T, s *scene) {
				r := s.rotation()
				require.Equal(t, rotation.Running, r.State)
				require.Equal(t, rotation.Revoked, r.Phase)
				require.Contains(t, s.spire.Calls(), "revoke ca-1")
				g := s.gate()
				require.Equal(t, []rotation.Holdout{{Name: name, Why: "still trusts the revoked authority"}}, g.Holdouts)
				require.Equal(t, [2]int{3, 4}, [2]int{g.Through, g.Total})
				_, err := s.m.Abort(t.Context(), rotation.Request{})
				require.ErrorIs(t, err, rotation.ErrTooLate)
				s.world.Cling(id, false)
				s.pass(time.Second)
				s.requireDone()
				require.Empty(t, s.rotation().Dropped)
			})
		})
	}
}

func TestItIsDoneWhenTheLastAgentHasAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.world.SyncEvery(5 * time.Second)
		s.start(ordinary)
		s.live()
		s.requireDone()
		require.Empty(t, s.rotation().Dropped)
		past := s.rotation().Past
		waited := s.rotation().EndedAt.Sub(past[len(past)-2].At)
		require.Equal(t, rotation.Revoked, past[len(past)-2].Phase)
		require.Greater(t, waited, time.Second)
		require.LessOrEqual(t, waited, 6*time.Second)
	})
}

func TestWhoTrustsTheRevokedAuthorityDoesNotHoldItUpForEver(t *testing.T) {
	t.Parallel()
	t.Run("nor anybody who is OFFLINE", func(t *testing.T) {
		t.Parallel()
		play(t, clinging("t-01"), ordinary, func(t *testing.T, s *scene) {
			s.world.Online("t-01", false)
			s.pass(time.Second)
			s.requireDone()
			require.Empty(t, s.rotation().Dropped)
		})
	})
	t.Run("it is dropped by name", func(t *testing.T) {
		t.Parallel()
		play(t, clinging("t-01"), ordinary, func(t *testing.T, s *scene) {
			s.pass(100 * time.Second)
			require.Equal(t, rotation.Running, s.rotation().State)
			require.False(t, s.gate().Deadline.IsZero())
			s.pass(20 * time.Second)
			s.requireDone()
			require.Equal(t, []string{"tunneler/t-01"}, s.rotation().Dropped)
			require.Contains(t, actions(s), audit.RotationDrop)
		})
	})
	t.Run("and earlier, or never, as the operator says", func(t *testing.T) {
		t.Parallel()
		o := ordinary
		o.Deadline = 20 * time.Second
		play(t, clinging("t-01"), o, func(t *testing.T, s *scene) {
			s.pass(15 * time.Second)
			s.requireDone()
			require.Equal(t, []string{"tunneler/t-01"}, s.rotation().Dropped)
		})
		o.OnExpiry = rotation.StopForHoldouts
		play(t, clinging("t-01"), o, func(t *testing.T, s *scene) {
			s.pass(15 * time.Second)
			require.Equal(t, rotation.Paused, s.rotation().State)
			require.Contains(t, s.rotation().Reason, "tunneler/t-01")
			s.world.Cling("t-01", false)
			_, err := s.m.Resume(t.Context(), rotation.Request{Actor: "key:test"})
			require.NoError(t, err)
			s.pass(time.Second)
			s.requireDone()
		})
	})
	t.Run("an end of deadlines that were not set is no reason to pause", func(t *testing.T) {
		t.Parallel()
		o := ordinary
		o.OnExpiry = rotation.StopForHoldouts
		play(t, clinging("t-01"), o, func(_ *testing.T, s *scene) {
			s.pass(2 * time.Minute)
			s.requireDone()
		})
	})
}

func TestAnEmergencySaysWhoStillTrustsWhatItRevoked(t *testing.T) {
	t.Parallel()
	play(t, clinging("t-01"), emergency, func(t *testing.T, s *scene) {
		require.Equal(t, rotation.Revoked, s.rotation().Phase)
		require.Equal(t, []string{"prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1", "prepare ca-3", "activate ca-3", "taint ca-2", "revoke ca-2"}, s.spire.Calls())
		require.Equal(t, []string{"tunneler/t-01"}, s.gate().Names())
		s.pass(2 * time.Minute)
		s.requireDone()
		require.Equal(t, []string{"tunneler/t-01"}, s.rotation().Dropped)
	})
}

func TestAnEmergencyTakesOverARotationThatOnlyWaitsForDistrust(t *testing.T) {
	t.Parallel()
	play(t, clinging("t-01"), ordinary, func(t *testing.T, s *scene) {
		require.Equal(t, rotation.Revoked, s.rotation().Phase)
		_, err := s.m.Start(t.Context(), rotation.Request{Options: emergency, Actor: "key:test"})
		require.NoError(t, err)
		s.pass(20 * time.Second)
		require.Contains(t, s.spire.Calls(), "revoke ca-2")
		require.Equal(t, []string{"tunneler/t-01"}, s.gate().Names())
		s.world.Cling("t-01", false)
		s.pass(time.Second)
		s.requireDone()
	})
}

func TestSPIREMayRotateByItselfWhileTrustFades(t *testing.T) {
	t.Parallel()
	play(t, clinging("t-01"), ordinary, func(t *testing.T, s *scene) {
		since := s.rotation().PhaseSince
		s.byItself("prepare", "activate")
		s.pass(time.Second)
		require.Equal(t, since, s.rotation().PhaseSince, "it is still the same wait")
		s.world.Cling("t-01", false)
		s.pass(time.Second)
		require.Equal(t, rotation.Done, s.rotation().State)
	})
}

func TestAnAuthorityThatHasExpiredIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	expiring := func(s *scene) {
		s.pass(24*time.Hour - time.Minute)
		s.world.Freeze("t-01")
	}
	play(t, expiring, ordinary, func(t *testing.T, s *scene) {
		require.Equal(t, rotation.Tainted, s.rotation().Phase)
		s.pass(2 * time.Minute)
		r := s.rotation()
		require.Equal(t, rotation.Done, r.State)
		require.NotContains(t, s.spire.Calls(), "revoke ca-1")
		require.Less(t, r.EndedAt.Sub(r.PhaseSince), time.Second)
		require.Empty(t, r.Dropped)
		require.NotEmpty(t, s.world.Trusting("ca-1"), "SPIRE takes an expired one out of the bundle hours later")
	})
}

func TestARestartDoesNotOpenTheLastGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		clinging("t-01")(s)
		s.start(ordinary)
		s.world.Online("t-01", false)
		s.pass(5 * time.Second)
		s.boot()
		s.run()
		s.pass(30 * time.Second)
		require.Equal(t, []string{"tunneler/t-01"}, s.gate().Names(), "phase %s", s.rotation().Phase)
		s.world.Online("t-01", true)
		s.pass(10 * time.Second)
		require.Equal(t, rotation.Revoked, s.rotation().Phase)
		require.Equal(t, "still trusts the revoked authority", s.gate().Holdouts[0].Why)
		s.world.Cling("t-01", false)
		s.pass(time.Second)
		s.requireDone()
	})
}
