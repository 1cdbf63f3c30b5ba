package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation/rotationtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ordinary  = rotation.Options{Offline: rotation.ProceedOffline, OnExpiry: rotation.DropHoldouts}
	emergency = rotation.Options{Offline: rotation.ProceedOffline, OnExpiry: rotation.DropHoldouts, Emergency: true}
)

// now has more digits than a store keeps; the clock of a bubble has none.
func now() time.Time { return time.Now().Add(789 * time.Nanosecond) }

// scene is a controller with its SPIRE and fleet, in a bubble of synctest: time
// passes only while everybody waits.
type scene struct {
	t      *testing.T
	spire  *rotationtest.SPIRE
	world  *rotationtest.World
	store  *rotationtest.Store
	faults *rotationtest.Faults
	m      *rotation.Manager

	bootWith func() *rotation.Manager // nil: a controller of world
}

// newScene has a connector and two tunnelers, all of them ONLINE.
func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, spire: rotationtest.NewSPIRE(now, 24*time.Hour), store: &rotationtest.Store{}}
	s.world = rotationtest.NewWorld(now, s.spire)
	s.world.Add(identity.KindConnector, "c-01")
	s.world.Add(identity.KindTunneler, "t-01")
	s.world.Add(identity.KindTunneler, "t-02")
	s.faults = &rotationtest.Faults{SPIRE: s.spire, Store: s.store}
	s.boot()
	return s
}

// boot starts the controller anew: what it had in memory is gone.
func (s *scene) boot() {
	if s.bootWith != nil {
		s.m = s.bootWith()
		return
	}
	s.m = rotation.New(rotation.Config{
		SPIRE: s.faults, Store: s.faults, Members: s.world, Online: s.world, Agents: s.world, Self: s.world.Self,
		Audit: audit.New(zap.NewNop(), now), Log: zap.NewNop(), Now: now,
	})
}

// byItself does what SPIRE does at half of an authority's life, and at 5/6.
func (s *scene) byItself(calls ...string) {
	s.t.Helper()
	for _, call := range calls {
		a, err := s.spire.Authorities(s.t.Context())
		require.NoError(s.t, err)
		if call == "prepare" {
			require.NoError(s.t, s.spire.Prepare(s.t.Context()))
		} else {
			require.NoError(s.t, s.spire.Activate(s.t.Context(), a.Prepared.ID))
		}
	}
}

// start asks for a rotation; the calls of that do not count.
func (s *scene) start(o rotation.Options) rotation.Rotation {
	s.t.Helper()
	r, err := s.m.Start(s.t.Context(), rotation.Request{Options: o, Actor: "key:test"})
	require.NoError(s.t, err)
	s.faults = &rotationtest.Faults{SPIRE: s.spire, Store: s.store}
	s.boot()
	return r
}

// live runs the controller until the rotation stops, or it crashes.
func (s *scene) live() (crashed bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Hour)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				if _, ok := v.(rotationtest.Crash); !ok {
					panic(v)
				}
				crashed = true
			}
		}()
		_ = s.m.Run(ctx)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return crashed
		case <-tick.C:
			if s.rotation().State != rotation.Running {
				cancel()
			}
		}
	}
}

// finish runs the controller, and again after each crash.
func (s *scene) finish() {
	s.t.Helper()
	for lives := 0; s.live(); lives++ {
		require.Less(s.t, lives, 5)
		s.boot()
	}
}

// run runs the controller beside the test.
func (s *scene) run() {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.m.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		require.NoError(s.t, <-done)
	})
}

// pass lets time pass.
func (s *scene) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s *scene) rotation() rotation.Rotation {
	r, err := s.store.Rotation(s.t.Context())
	if !errors.Is(err, rotation.ErrNone) {
		require.NoError(s.t, err)
	}
	return r
}

// gate is what the rotation waits for now.
func (s *scene) gate() rotation.Gate {
	s.t.Helper()
	r, err := s.m.Report(s.t.Context())
	require.NoError(s.t, err)
	require.NotNil(s.t, r.Gate, "phase %s", r.Rotation.Phase)
	return *r.Gate
}

func (s *scene) requireCalls(want ...string) {
	s.t.Helper()
	require.Equal(s.t, rotation.Done, s.rotation().State)
	require.Equal(s.t, want, s.spire.Calls())
}

func (s *scene) requireDone() {
	s.t.Helper()
	r := s.rotation()
	require.Equal(s.t, rotation.Done, r.State, r.Reason)
	require.Equal(s.t, rotation.Distrusted, r.Phase)
	s.requireTimes(r)
	a, err := s.spire.Authorities(s.t.Context())
	require.NoError(s.t, err)
	for _, b := range a.Bundle {
		require.NotContains(s.t, r.Replace, b.ID)
	}
	require.NotContains(s.t, r.Replace, a.Active.ID)
	for _, name := range s.world.Trusting(r.Replace...) {
		require.Contains(s.t, r.Dropped, name, "it trusts what was revoked and the rotation says it is done")
	}
	// Each phase of the stored rotation has its audit event, and none without.
	var phases, events []string
	for _, p := range r.Past[1:] {
		phases = append(phases, fmt.Sprintf("%s %s", p.Phase, p.Authority))
	}
	for _, e := range s.store.Events() {
		switch e.Action {
		case audit.RotationPhase:
			events = append(events, e.Reason)
		case audit.RotationEnd:
			events = append(events, "distrusted ")
		}
	}
	for i, e := range events {
		if !strings.Contains(e, " ") { // of no authority
			events[i] += " "
		}
	}
	require.Equal(s.t, phases, events)
}

// requireTimes: none has digits that a store loses, so a phase that was read back
// never ends before it began.
func (s *scene) requireTimes(r rotation.Rotation) {
	s.t.Helper()
	times := []time.Time{r.StartedAt}
	for _, p := range r.Past {
		times = append(times, p.At)
	}
	times = append(times, r.EndedAt)
	for i, at := range times {
		require.Equal(s.t, at.Truncate(time.Microsecond), at)
		require.False(s.t, i > 0 && at.Before(times[i-1]), "%v", times)
	}
}
