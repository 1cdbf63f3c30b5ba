package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/leaks"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// soon is how long anything may take that takes a few seconds on an idle machine.
const soon = 60 * time.Second

// system is a controller with a connector and a tunneler, both ONLINE.
type system struct {
	*world.Controller
	t                   *testing.T
	dir                 string
	api                 *adminclient.Client
	connector, tunneler *world.Host
}

func programs(t *testing.T) string {
	t.Helper()
	bin, err := world.Programs()
	require.NoError(t, err)
	return bin
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := prepareSystem(t, "--spire-attestation-limit=false")
	s.boot()
	s.connector, s.tunneler = s.join("connector", "c-01"), s.join("tunneler", "t-01")
	return s
}

// prepareSystem has a controller that was not started yet.
func prepareSystem(t *testing.T, flags ...string) *system {
	t.Helper()
	dir, err := os.MkdirTemp("", "zr") //nolint:usetesting // t.TempDir's path is too long for a socket
	require.NoError(t, err)
	s := &system{t: t, dir: dir}
	s.Controller = world.NewController(programs(t), filepath.Join(dir, "controller"), flags...)
	t.Cleanup(s.end)
	return s
}

// boot starts the controller, for the first time or again.
func (s *system) boot() {
	s.t.Helper()
	require.NoError(s.t, s.Start(s.t.Context()))
	var err error
	s.api, err = s.Client()
	require.NoError(s.t, err)
}

func (s *system) join(kind, id string) *world.Host {
	s.t.Helper()
	h := s.NewHost(filepath.Join(s.dir, kind+"-"+id), kind, id)
	_, err := h.EnrollWithToken(s.t.Context())
	require.NoError(s.t, err)
	require.NoError(s.t, h.Start())
	s.eventually(soon, id+" ONLINE", func(ctx context.Context) error { return h.Online(ctx, s.api) })
	return h
}

func (s *system) end() {
	if s.t.Failed() {
		_ = filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".log" {
				s.t.Logf("--- %s\n%s", strings.TrimPrefix(path, s.dir), (&world.Process{Log: path}).Tail(40))
			}
			return nil
		})
	}
	for _, h := range []*world.Host{s.tunneler, s.connector} {
		if h != nil {
			_ = h.Program.Signal(syscall.SIGCONT)
			if err := h.Stop(); err != nil {
				s.t.Error(err)
			}
		}
	}
	if s.Process != nil {
		if _, err := s.Stop(); err != nil {
			s.t.Error(err)
		}
	}
	if s.Process != nil {
		leaks.Check(s.t, &leaks.Search{}, s.dir)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Error(err)
	}
}

func (s *system) eventually(within time.Duration, what string, check func(context.Context) error) {
	s.t.Helper()
	require.NoError(s.t, world.Eventually(s.t.Context(), within, what, check))
}

func (s *system) ca() adminapi.CA {
	s.t.Helper()
	ca, err := s.api.CA(s.t.Context())
	require.NoError(s.t, err)
	return ca
}

// active is the authority that signs.
func (s *system) active() string {
	s.t.Helper()
	for _, a := range s.ca().Authorities {
		if a.State == "active" {
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
	s.eventually(soon, what, func(ctx context.Context) error {
		ca, err := s.api.CA(ctx)
		if err != nil {
			return err
		}
		if ca.Rotation == nil {
			return errors.New("there is no rotation")
		}
		r = *ca.Rotation
		if !ok(r) {
			return fmt.Errorf("rotation is %s, phase %s, gate %+v, %s", r.State, r.Phase, r.Gate, r.Reason)
		}
		return nil
	})
	return r
}

func (s *system) untilDone() adminapi.Rotation {
	s.t.Helper()
	r := s.until("rotation finished", adminapi.Rotation.Finished)
	require.Equal(s.t, adminapi.RotationDone, r.State, r.Reason)
	return r
}

// heldUp waits for a phase in which somebody holds the rotation up.
func (s *system) heldUp(phase, by string) adminapi.Rotation {
	s.t.Helper()
	return s.until(phase+" held up by "+by, func(r adminapi.Rotation) bool {
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

func (s *system) seen(h *world.Host) world.Seen {
	s.t.Helper()
	seen, err := h.Seen(s.t.Context(), s.api)
	require.NoError(s.t, err)
	return seen
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
