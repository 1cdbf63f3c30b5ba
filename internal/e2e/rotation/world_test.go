package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
)

// soon is how long anything may take that takes a few seconds on an idle machine.
const soon = 60 * time.Second

// system is a controller with a connector and a tunneler, both ONLINE.
type system struct {
	*worldtest.World
	t                   *testing.T
	connector, tunneler *world.Host
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{World: worldtest.New(t, "--spire-attestation-limit=false"), t: t}
	s.Boot()
	s.connector, s.tunneler = s.Join("c", "connector", "c-01"), s.Join("t", "tunneler", "t-01")
	return s
}

func (s *system) ca() adminapi.CA {
	s.t.Helper()
	ca, err := s.API.CA(s.t.Context())
	require.NoError(s.t, err)
	return ca
}

// active is the authority that signs.
func (s *system) active() string {
	s.t.Helper()
	for _, a := range s.ca().Authorities {
		if a.Status == "active" {
			return a.ID
		}
	}
	s.t.Fatal("no active authority")
	return ""
}

func trusted(ca adminapi.CA) (ids []string) {
	for _, a := range ca.Authorities {
		if a.Trusted {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// until waits for a state of the newest rotation.
func (s *system) until(what string, ok func(adminapi.Rotation) bool) adminapi.Rotation {
	s.t.Helper()
	var r adminapi.Rotation
	s.Eventually(soon, what, func(ctx context.Context) error {
		ca, err := s.API.CA(ctx)
		if err != nil {
			return err
		}
		if ca.Rotation == nil {
			return errors.New("there is no rotation")
		}
		r = *ca.Rotation
		if !ok(r) {
			return fmt.Errorf("rotation is %s, phase %s, gate %+v, %s", r.Status, r.Phase, r.Gate, r.Reason)
		}
		return nil
	})
	return r
}

func (s *system) untilDone() adminapi.Rotation {
	s.t.Helper()
	r := s.until("rotation finished", adminapi.Rotation.Finished)
	require.Equal(s.t, adminapi.RotationDone, r.Status, r.Reason)
	return r
}

// heldUp waits for a phase in which somebody holds the rotation up.
func (s *system) heldUp(phase, by string) adminapi.Rotation {
	s.t.Helper()
	return s.until(phase+" blocked by "+by, func(r adminapi.Rotation) bool {
		if r.Phase != phase || r.Gate == nil {
			return false
		}
		for _, h := range r.Gate.HeldUpBy {
			if h.Name == by {
				return true
			}
		}
		return false
	})
}

// cli runs a command and returns what it left, whatever its exit code.
func (s *system) cli(args ...string) world.Result {
	s.t.Helper()
	r, err := s.CLI(s.t.Context(), args...)
	require.NoError(s.t, err)
	return r
}

func decode[T any](t *testing.T, text string) (out T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return out
}

func phases(r adminapi.Rotation) string {
	var b strings.Builder
	for _, p := range r.Phases {
		fmt.Fprintf(&b, "%s %.2f s, ", p.Phase, p.Seconds)
	}
	fmt.Fprintf(&b, "all %.2f s", r.EndedAt.Sub(r.StartedAt).Seconds())
	return b.String()
}
