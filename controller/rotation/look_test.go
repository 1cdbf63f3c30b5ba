package rotation_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestAGateThatWaitedForOneWaitsForWhoCameMeanwhile(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) { s.world.Stick("t-01", true) }, ordinary, func(t *testing.T, s *scene) {
		s.world.Add(identity.KindTunneler, "t-00")
		s.world.Stick("t-00", true)
		s.world.Untrust("t-00")
		s.pass(time.Second)
		s.world.Stick("t-01", false)
		s.pass(2 * time.Second)
		require.Equal(t, []string{"prepare ca-2"}, s.spire.Calls())
		require.Equal(t, []string{"tunneler/t-00"}, s.gate().Names())
		s.world.Stick("t-00", false)
		s.pass(time.Second)
		s.requireDone()
	})
}

func TestAGateWaitsForAMemberThatLeftAndCameBackWithTheOldAuthority(t *testing.T) {
	t.Parallel()
	two := func(s *scene) {
		s.world.Stick("t-01", true)
		s.world.Stick("t-02", true)
	}
	play(t, two, ordinary, func(t *testing.T, s *scene) {
		s.world.Online("t-01", false)
		s.pass(2 * time.Second)
		require.Equal(t, []string{"tunneler/t-02"}, s.gate().Names())
		s.world.Online("t-01", true)
		s.world.Stick("t-02", false)
		s.pass(2 * time.Second)
		require.Equal(t, []string{"prepare ca-2"}, s.spire.Calls())
		require.Equal(t, []string{"tunneler/t-01"}, s.gate().Names())
		s.world.Stick("t-01", false)
		s.pass(time.Second)
		s.requireDone()
	})
}

func TestAGateThatWaitsForAnAgentOpensWhenItsHostIsGone(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) { s.world.StickAgent("c-01") }, ordinary, func(t *testing.T, s *scene) {
		s.pass(time.Minute)
		require.Equal(t, rotation.Tainted, s.rotation().Phase)
		s.world.Online("c-01", false)
		s.pass(time.Second)
		s.requireDone()
	})
}

// links is a controller with a real roster and n tunnelers at one connector.
type links struct {
	*scene
	roster *presence.Roster
	names  []string
}

// nobody is stored and no agent is known.
type nobody struct{ members []fleet.Tunneler }

func (nobody) Connectors(context.Context) ([]fleet.Connector, error) { return nil, nil }

func (n nobody) Tunnelers(context.Context) ([]fleet.Tunneler, error) { return n.members, nil }

func (nobody) Hosts(context.Context) ([]fleet.Host, error) { return nil, nil }

func (l *links) report(connector, tunneler string, trusts ...string) {
	l.roster.TunnelerReport(connector, presence.Report{TunnelerID: tunneler, Trusts: trusts, Since: now(), SVID: presence.SVID{AuthorityID: "ca-1"}})
}

func TestAGateWaitsForEachOfTheSessionsOfATunnelerAndIsToldOfTheirEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLinks(t, 0, now)
		l.report("c-01", "t-01", "ca-1")
		l.report("c-02", "t-01", "ca-1")
		l.start(ordinary)
		l.run()
		l.pass(time.Second)
		l.report("c-01", "t-01", "ca-1", "ca-2")
		l.report("c-01", "t-01", "ca-1", "ca-2") // told twice
		l.pass(2 * time.Second)
		require.Equal(t, []string{"prepare ca-2"}, l.spire.Calls(), "the other session is not through")
		l.report("c-02", "t-01", "ca-1", "ca-2")
		l.report("c-02", "t-01", "ca-1") // an older report that comes late
		l.pass(2 * time.Second)
		require.Equal(t, []string{"prepare ca-2"}, l.spire.Calls())
		l.pass(900 * time.Millisecond) // between two polls
		l.roster.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Detached: true})
		l.pass(60 * time.Millisecond)
		require.Contains(t, l.spire.Calls(), "activate ca-2", "a change is looked at before the next poll")
	})
}

// TestTheLastPhaseListsOnlyAgentsThatMayNotHaveRenewed: all of them are listed once, at
// the activation.
func TestTheLastPhaseListsOnlyAgentsThatMayNotHaveRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bootWith = func() *rotation.Manager {
			return rotation.New(rotation.Config{
				SPIRE: s.faults, Store: s.faults, Members: s.world, Online: s.world, Agents: s.world, Self: s.world.Self, AgentTTL: time.Hour,
				Audit: audit.New(zap.NewNop(), now), Log: zap.NewNop(), Now: now,
			})
		}
		s.pass(10 * time.Minute) // agents of the same age as the new authority have renewed
		s.world.StickAgent("c-01")
		s.start(ordinary)
		s.run()
		s.pass(20 * time.Second)
		require.Equal(t, rotation.Tainted, s.rotation().Phase)
		g := s.gate()
		require.Len(t, g.Names(), 1)
		require.Contains(t, g.Holdouts[0].Why, "agent of connector/c-01 has not attested")
		require.Equal(t, [2]int{6, 7}, [2]int{g.Through, g.Total}, "three members, their agents and the controller; those that have renewed count")
		require.Equal(t, 1, s.world.Listed())
		s.pass(time.Hour)
		s.requireDone() // its SVID has expired: it lives no more
		require.Equal(t, 1, s.world.Listed())
	})
}

// TestARevokedHoldoutIsKnownByTheLog: no look at it shows that an OFFLINE member is gone.
func TestARevokedHoldoutIsKnownByTheLog(t *testing.T) {
	t.Parallel()
	patient := rotation.Options{Offline: rotation.WaitOffline, OnExpiry: rotation.DropHoldouts}
	play(t, func(s *scene) { s.world.Online("t-01", false) }, patient, func(t *testing.T, s *scene) {
		require.Equal(t, []string{"tunneler/t-01"}, s.gate().Names())
		s.world.Remove("t-01")
		s.pass(time.Minute)
		require.Equal(t, []string{"prepare ca-2"}, s.spire.Calls(), "the others were not looked at again")
		s.store.Add(changelog.Change{Kind: changelog.Tunneler, ID: "t-01", Op: changelog.Revoked})
		s.pass(2 * time.Second) // its wake-up was lost
		require.Contains(t, s.spire.Calls(), "activate ca-2")
	})
}

// TestARotationThatAnotherControllerStartsIsDriven: by the log, also if a wake-up is lost.
func TestARotationThatAnotherControllerStartsIsDriven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.run()
		s.pass(time.Minute)
		other := s.m
		s.boot()
		other, s.m = s.m, other
		_, err := other.Start(t.Context(), rotation.Request{Options: ordinary, Actor: "key:test"})
		require.NoError(t, err)
		synctest.Wait() // no time passes
		require.Contains(t, s.spire.Calls(), "prepare ca-2")
	})
}
