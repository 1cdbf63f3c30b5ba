package rotation_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation/rotationtest"
)

var allFaults = []rotationtest.Fault{
	rotationtest.CrashBefore, rotationtest.CrashAfter, rotationtest.FailBefore, rotationtest.FailAfter,
}

// boundaries is how many calls an undisturbed rotation makes.
func boundaries(t *testing.T, o rotation.Options, arrange func(*scene)) int {
	t.Helper()
	n := 0
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		arrange(s)
		s.start(o)
		s.live()
		n = s.faults.Count()
	})
	return n
}

// late is a fleet that goes on trusting for a while what SPIRE has revoked, whenever
// the controller dies.
func late(s *scene) {
	s.byItself("prepare")
	s.world.SyncEvery(2 * time.Second)
}

func TestARotationSurvivesAFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options rotation.Options
		arrange func(*scene)
		want    []string
	}{
		"from the start": {
			ordinary, func(*scene) {},
			[]string{"prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1"},
		},
		"with an authority that SPIRE prepared": {
			ordinary, func(s *scene) { s.byItself("prepare") },
			[]string{"prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1"},
		},
		"after SPIRE rotated by itself": {
			ordinary, func(s *scene) { s.byItself("prepare", "activate") },
			[]string{"prepare ca-2", "activate ca-2", "taint ca-1", "prepare ca-3", "activate ca-3", "taint ca-2", "revoke ca-2"},
		},
		"while bundles follow late": {
			ordinary, late,
			[]string{"prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1"},
		},
		"in an emergency, while bundles follow late": {
			emergency, late,
			[]string{"prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1", "prepare ca-3", "activate ca-3", "taint ca-2", "revoke ca-2"},
		},
		"in an emergency": {
			emergency, func(s *scene) { s.byItself("prepare") },
			[]string{"prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1", "prepare ca-3", "activate ca-3", "taint ca-2", "revoke ca-2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := boundaries(t, tc.options, tc.arrange)
			require.Greater(t, n, 8)
			for first := range n {
				for _, fault := range allFaults {
					t.Run(fmt.Sprintf("%s call %d", fault, first), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							s := newScene(t)
							tc.arrange(s)
							s.start(tc.options)
							s.faults.Plan(first, fault)
							s.finish()
							require.Equal(t, tc.want, s.spire.Calls())
							s.requireDone()
						})
					})
				}
			}
		})
	}
}

func TestARotationSurvivesTwoFaults(t *testing.T) {
	t.Parallel()
	n := boundaries(t, ordinary, late)
	for first := range n {
		for second := first + 1; second < n+4; second++ {
			for _, fault := range allFaults {
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t)
					late(s)
					s.start(ordinary)
					s.faults.Plan(first, fault)
					s.faults.Plan(second, rotationtest.CrashAfter)
					s.finish()
					require.Equal(t, []string{"prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1"}, s.spire.Calls(),
						"%s call %d, then crash after call %d", fault, first, second)
					s.requireDone()
				})
			}
		}
	}
}
