package rotation_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// play runs body in a bubble beside a controller with a rotation of these options.
func play(t *testing.T, arrange func(*scene), o rotation.Options, body func(*testing.T, *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		arrange(s)
		s.start(o)
		s.run()
		s.pass(10 * time.Second)
		body(t, s)
	})
}

func nothing(*scene) {}

// returnLimit is how long members are waited for after a start, and a bit.
const returnLimit = 70 * time.Second

func TestNobodyWithoutTheNewAuthorityIsLeftBehind(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) { s.world.Stick("t-01", true) }, ordinary, func(t *testing.T, s *scene) {
		s.pass(10 * time.Minute)
		require.Equal(t, []string{"prepare ca-2"}, s.spire.Calls())
		g := s.gate()
		require.Equal(t, []rotation.Holdout{{Name: "tunneler/t-01", Why: "does not trust the new authority yet"}}, g.Holdouts)
		require.Equal(t, [2]int{3, 4}, [2]int{g.Through, g.Total}, "a connector, two tunnelers and the controller")
		s.world.Stick("t-01", false)
		s.pass(time.Second)
		s.requireDone()
	})
}

func TestNothingIsRevokedThatAPeerRestsOn(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) { s.world.Freeze("t-02") }, ordinary, func(t *testing.T, s *scene) {
		s.pass(10 * time.Minute)
		require.Equal(t, rotation.Tainted, s.rotation().Phase)
		require.Equal(t, []string{"tunneler/t-02"}, s.gate().Names())
		require.Contains(t, s.gate().Holdouts[0].Why, "still signed by the old authority")
		s.world.Online("t-02", false)
		s.pass(time.Second)
		s.requireDone()
	})
}

func TestNothingIsRevokedThatALiveAgentRestsOn(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) { s.world.StickAgent("c-01") }, ordinary, func(t *testing.T, s *scene) {
		require.Equal(t, rotation.Tainted, s.rotation().Phase)
		require.Len(t, s.gate().Names(), 1)
		require.Contains(t, s.gate().Holdouts[0].Why, "agent of connector/c-01 has not attested")
		s.pass(time.Hour)
		s.requireDone() // its SVID has expired: it lives no more
	})
}

func TestOfflineMembers(t *testing.T) {
	t.Parallel()
	away := func(s *scene) {
		s.world.Online("t-01", false)
		s.world.Stick("t-01", true)
		s.pass(2 * time.Minute) // long before this life of the controller
		s.world.Peers()
		s.pass(time.Second)
	}
	t.Run("are not waited for", func(t *testing.T) {
		t.Parallel()
		play(t, away, ordinary, func(_ *testing.T, s *scene) { s.requireDone() })
	})
	t.Run("are waited for when the operator says so", func(t *testing.T) {
		t.Parallel()
		o := ordinary
		o.Offline = rotation.WaitOffline
		play(t, away, o, func(t *testing.T, s *scene) {
			s.pass(10 * time.Minute)
			require.Equal(t, []rotation.Holdout{{Name: "tunneler/t-01", Why: "is OFFLINE"}}, s.gate().Holdouts)
			s.world.Online("t-01", true)
			s.world.Stick("t-01", false)
			s.pass(10 * time.Second)
			s.requireDone()
		})
	})
	t.Run("that were here when the controller stopped are waited for a minute", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.start(ordinary)
			s.world.Online("t-01", false)
			s.world.Online("t-02", false)
			s.pass(5 * time.Second)
			s.boot()
			s.run()
			s.pass(30 * time.Second)
			require.Equal(t, []string{"tunneler/t-01", "tunneler/t-02"}, s.gate().Names())
			s.world.Online("t-02", true)
			s.pass(time.Second)
			require.Equal(t, []string{"tunneler/t-01"}, s.gate().Names())
			s.pass(time.Minute)
			s.requireDone()
		})
	})
	t.Run("that never came are not waited for", func(t *testing.T) {
		t.Parallel()
		o := ordinary
		o.Offline = rotation.WaitOffline
		recently := func(s *scene) {
			s.world.Enroll(identity.KindTunneler, "new")
			s.pass(time.Second)
		}
		play(t, recently, o, func(t *testing.T, s *scene) {
			require.Equal(t, []string{"tunneler/new"}, s.gate().Names(), "unless that was not recorded before the controller stopped")
			s.pass(returnLimit)
			s.requireDone()
		})
	})
}

func TestADeadline(t *testing.T) {
	t.Parallel()
	drop := ordinary
	drop.Deadline = time.Minute
	stop := drop
	stop.OnExpiry = rotation.StopForHoldouts
	t.Run("goes on without the holdouts, by name", func(t *testing.T) {
		t.Parallel()
		play(t, func(s *scene) { s.world.Stick("t-01", true) }, drop, func(t *testing.T, s *scene) {
			require.WithinDuration(t, time.Now().Add(50*time.Second), s.gate().Deadline, time.Second)
			s.pass(time.Minute)
			require.Equal(t, rotation.Tainted, s.rotation().Phase, "its agent gets a deadline of its own")
			s.pass(time.Minute)
			s.requireDone()
			require.Contains(t, s.rotation().Dropped, "tunneler/t-01")
			require.Contains(t, actions(s), audit.RotationDrop)
		})
	})
	t.Run("aborts", func(t *testing.T) {
		t.Parallel()
		play(t, func(s *scene) { s.world.Stick("t-01", true) }, stop, func(t *testing.T, s *scene) {
			s.pass(2 * time.Minute)
			require.Equal(t, rotation.Aborted, s.rotation().State)
			require.Contains(t, s.rotation().Reason, "tunneler/t-01")
			require.Equal(t, []string{"prepare ca-2"}, s.spire.Calls())
		})
	})
	t.Run("pauses where it is too late to abort, and resume waits anew", func(t *testing.T) {
		t.Parallel()
		play(t, func(s *scene) { s.world.Freeze("t-01") }, stop, func(t *testing.T, s *scene) {
			s.pass(2 * time.Minute)
			require.Equal(t, rotation.Paused, s.rotation().State)
			_, err := s.m.Abort(t.Context(), rotation.Request{})
			require.ErrorIs(t, err, rotation.ErrTooLate)
			_, err = s.m.Resume(t.Context(), rotation.Request{Actor: "key:test"})
			require.NoError(t, err)
			s.pass(30 * time.Second)
			require.Equal(t, rotation.Running, s.rotation().State)
			s.world.Online("t-01", false)
			s.pass(time.Second)
			s.requireDone()
		})
	})
}

func TestAnEmergency(t *testing.T) {
	t.Parallel()
	t.Run("takes an ordinary rotation over", func(t *testing.T) {
		t.Parallel()
		play(t, func(s *scene) { s.world.Stick("t-01", true) }, ordinary, func(t *testing.T, s *scene) {
			r, err := s.m.Start(t.Context(), rotation.Request{Options: emergency, Actor: "key:test"})
			require.NoError(t, err)
			require.Equal(t, []string{"ca-1", "ca-2"}, r.Replace)
			s.pass(40 * time.Second)
			require.Equal(t, []string{"prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1", "prepare ca-3", "activate ca-3", "taint ca-2", "revoke ca-2"}, s.spire.Calls())
			require.Equal(t, []rotation.Holdout{{Name: "tunneler/t-01", Why: "still trusts the revoked authority"}}, s.gate().Holdouts)
			s.world.Stick("t-01", false)
			s.pass(time.Second)
			s.requireDone()
			require.Equal(t, r.ID, s.rotation().ID)
		})
	})
	t.Run("gives a taint the seconds it needs, and no more", func(t *testing.T) {
		t.Parallel()
		play(t, func(s *scene) { s.world.Freeze("t-01") }, emergency, func(t *testing.T, s *scene) {
			require.Equal(t, rotation.Tainted, s.rotation().Phase)
			s.pass(6 * time.Second)
			s.requireDone()
		})
	})
	t.Run("is over at once when everybody is through", func(t *testing.T) {
		t.Parallel()
		play(t, nothing, emergency, func(t *testing.T, s *scene) {
			s.requireDone()
			require.Less(t, s.rotation().EndedAt.Sub(s.rotation().StartedAt), 2*time.Second)
		})
	})
}

func actions(s *scene) (out []audit.Action) {
	for _, e := range s.store.Events() {
		out = append(out, e.Action)
	}
	return out
}
