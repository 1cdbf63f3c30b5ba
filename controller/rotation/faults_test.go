package rotation_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

// TestAManagerBearsTheFaultsOfItsLog: rotations are started and aborted by another
// controller.
func TestAManagerBearsTheFaultsOfItsLog(t *testing.T) {
	t.Parallel()
	changelogtest.Faults(t, func(t *testing.T) changelogtest.Subject {
		t.Helper()
		s := newScene(t)
		s.world.Stick("t-01", true)
		other := s.m
		return changelogtest.Subject{
			Log: &s.store.Log,
			Start: func() func(context.Context) error {
				s.boot()
				return s.m.CatchUp
			},
			Commit: func() {
				q := rotation.Request{Options: ordinary, Actor: "key:test"}
				if _, err := other.Abort(t.Context(), q); !errors.Is(err, rotation.ErrNone) {
					require.NoError(t, err)
				}
				_, err := other.Start(t.Context(), q)
				require.NoError(t, err)
			},
			Agrees: func(t *testing.T) {
				t.Helper()
				r := s.rotation()
				require.Equal(t, rotation.Running, r.State)
				require.Equal(t, r.ID, s.m.WaitsIn(), "it has looked at this one")
			},
		}
	})
}
