package rotation_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

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
