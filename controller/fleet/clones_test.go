package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// visit is one stream: which program says hello, on a connection whose handshake
// began so long ago.
type visit struct {
	instance, boot, agent string
	from                  string
	began                 time.Duration // before its hello is read
}

func (w *world) visits(t *testing.T, who identity.Workload, visits ...visit) error {
	t.Helper()
	for _, v := range visits {
		w.clock.Advance(time.Second)
		h := fleet.Hello{
			ID: who.ID, InstanceID: v.instance, BootID: v.boot, AgentStart: v.agent, From: v.from + ":1",
			Began: w.clock.Now().Add(-v.began),
		}
		admit := w.AdmitTunneler
		if who.Kind == identity.KindConnector {
			admit = w.AdmitConnector
		}
		if err := admit(t.Context(), h, w.issue(t, who, w.clock.Now())); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) clonedEvents(t *testing.T) (out []audit.Event) {
	t.Helper()
	all, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	for _, e := range all {
		if e.Action == audit.HostCloned {
			out = append(out, e)
		}
	}
	return out
}

// instances makes visits of these programs on one machine, without a clue of its
// agent.
func instances(ids ...string) (out []visit) {
	for _, id := range ids {
		out = append(out, visit{instance: id, boot: "boot", from: "192.0.2.1"})
	}
	return out
}

func TestProgramsThatFollowOneAnotherAreNoClone(t *testing.T) {
	t.Parallel()
	crashes := make([]visit, 0, 200)
	for i := range 200 {
		crashes = append(crashes, visit{instance: fmt.Sprint(i), boot: "boot", agent: fmt.Sprint(i), from: "192.0.2.1"})
	}
	for name, visits := range map[string][]visit{
		"a program that never restarts on a network that flaps": instances("a", "a", "a", "a", "a", "a"),
		"restarts": instances("a", "b", "b", "c", "c", "c"),
		"a program that crashes in a loop, agent and all": crashes,
		"three reboots": {
			{instance: "a", boot: "1"}, {instance: "b", boot: "2"}, {instance: "c", boot: "3"}, {instance: "d", boot: "4"},
		},
		"a laptop that moves": {
			{instance: "a", from: "192.0.2.1"},
			{instance: "a", from: "198.51.100.1"},
			{instance: "a", from: "192.0.2.1"},
			{instance: "b", from: "198.51.100.1"},
			{instance: "b", from: "192.0.2.1"},
		},
		// A container with its disk goes to another node and returns: the kernel is
		// seen again, the program is not.
		"a boot id that returns": {{instance: "a", boot: "1"}, {instance: "b", boot: "2"}, {instance: "c", boot: "1"}},
		// Handshake of a, restart, hello of b, and only now the hello of a is read.
		"a hello that was read late": {
			{instance: "a", boot: "1"}, {instance: "b", boot: "1"}, {instance: "a", boot: "1", began: 90 * time.Second}, {instance: "b", boot: "1"},
		},
		"a hello of the former program that is read after that of the new one": {
			{instance: "new"}, {instance: "old", began: time.Minute}, {instance: "new"}, {instance: "new"},
		},
		"programs that say no instance": instances("", "", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, who := range []identity.Workload{connector("c-01"), tunneler("t-01")} {
				w := newWorld(t)
				h := w.enroll(t, who)
				require.NoError(t, w.visits(t, who, visits...))
				require.Zero(t, w.host(t, h.ID).ClonedAt)
				require.Empty(t, w.clonedEvents(t))
			}
		})
	}
}

func TestAProgramThatReturnsAfterAnotherIsAClone(t *testing.T) {
	t.Parallel()
	for name, visits := range map[string][]visit{
		"at once":                    instances("a", "b", "a"),
		"after restarts before":      instances("x", "y", "a", "b", "a"),
		"after reconnects between":   instances("a", "a", "b", "b", "b", "a"),
		"a thief who says nothing":   instances("a", "", "a"),
		"a thief who changes his id": instances("a", "x1", "a"),
		"three machines":             instances("a", "b", "c", "a"),
		"two machines":               {{instance: "a", boot: "1"}, {instance: "b", boot: "2"}, {instance: "a", boot: "1"}},
		"one after a hello that was read late": {
			{instance: "a"}, {instance: "b"}, {instance: "a", began: time.Minute}, {instance: "b"}, {instance: "a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h := w.enroll(t, tunneler("t-01"))
			require.NoError(t, w.visits(t, tunneler("t-01"), visits[:len(visits)-1]...))
			require.Zero(t, w.host(t, h.ID).ClonedAt, "not before the last")
			require.NoError(t, w.visits(t, tunneler("t-01"), visits[len(visits)-1]))
			got := w.host(t, h.ID)
			require.Equal(t, w.clock.Now(), got.ClonedAt)
			require.Equal(t, fleet.TwoPrograms, got.Clone.Signal)
			require.Len(t, got.Clone.Sightings, 2)
			require.NotEqual(t, got.Clone.Sightings[0].InstanceID, got.Clone.Sightings[1].InstanceID)
			require.Zero(t, got.RevokedAt, "the policy is to alert")
		})
	}
}

// TestNoOrderOfStartsOnOneMachineIsAClone plays one machine whose program starts,
// connects and ends as it likes, and whose hellos are read as late as they like.
func TestNoOrderOfStartsOnOneMachineIsAClone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"))
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++ // instance ids are never used again
		type sent struct {
			id    string
			began time.Time
		}
		var unread []sent
		program := 0
		for _, step := range rapid.SliceOfN(rapid.IntRange(0, 3), 1, 25).Draw(rt, "steps") {
			w.clock.Advance(time.Millisecond)
			switch {
			case step == 0:
				program++
			case step == 1:
				unread = append(unread, sent{fmt.Sprint(round, program), w.clock.Now()})
			case len(unread) > 0:
				i := rapid.IntRange(0, len(unread)-1).Draw(rt, "which")
				s := unread[i]
				unread = append(unread[:i], unread[i+1:]...)
				require.NoError(rt, w.AdmitConnector(t.Context(), fleet.Hello{ID: "c-01", InstanceID: s.id, Began: s.began}, w.issue(t, connector("c-01"), w.clock.Now())))
			}
		}
		require.Zero(rt, w.host(t, h.ID).ClonedAt)
	})
}

func TestACloneIsToldOnceWithBothAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"), tunneler("t-01"))
	other := w.enroll(t, connector("c-02"))
	a, b := visit{instance: "a", boot: "1", from: "192.0.2.1"}, visit{instance: "b", boot: "2", from: "198.51.100.7"}
	require.NoError(t, w.visits(t, connector("c-01"), a, b, a, b, a, b, a))
	require.NoError(t, w.visits(t, tunneler("t-01"), a, b, a))
	events := w.clonedEvents(t)
	require.Len(t, events, 1)
	require.Equal(t, "host/"+string(h.ID), events[0].Target)
	require.Equal(t, "192.0.2.1:1", events[0].Source)
	for _, want := range []string{"connector/c-01", "192.0.2.1:1", "198.51.100.7:1", `"a"`, `"b"`, `"1"`, `"2"`} {
		require.Contains(t, events[0].Reason, want)
	}
	connectors, err := w.Connectors(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"192.0.2.1:1", "198.51.100.7:1"}, connectors[0].Clone.Addresses())
	require.Nil(t, connectors[1].Clone, "another host")
	require.Zero(t, w.host(t, other.ID).ClonedAt)
	tunnelers, err := w.Tunnelers(t.Context())
	require.NoError(t, err)
	require.Equal(t, connectors[0].Clone, tunnelers[0].Clone, "it is the host that is cloned")

	// A controller that starts again remembers nothing but what is stored.
	first := w.host(t, h.ID)
	w.restart(fleet.CloneAlert)
	require.NoError(t, w.visits(t, connector("c-01"), a, b, a, b))
	require.Equal(t, first, w.host(t, h.ID))
	require.Len(t, w.clonedEvents(t), 1)
}

func TestTwoRolesOfOneHostAreNoClone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("both"), tunneler("both"))
	for range 3 {
		require.NoError(t, w.visits(t, connector("both"), instances("a")...))
		require.NoError(t, w.visits(t, tunneler("both"), instances("b")...))
	}
	require.Zero(t, w.host(t, h.ID).ClonedAt)
}

func TestAnIDThatIsEnrolledAnewStartsClean(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.enroll(t, tunneler("t-01"))
	require.NoError(t, w.visits(t, tunneler("t-01"), instances("a", "b")...))
	w.revoke(t, tunneler("t-01"))
	next := w.enroll(t, tunneler("t-01"))
	require.NoError(t, w.visits(t, tunneler("t-01"), instances("a", "a")...))
	require.Zero(t, w.host(t, old.ID).ClonedAt)
	require.Zero(t, w.host(t, next.ID).ClonedAt)

	require.NoError(t, w.visits(t, tunneler("t-01"), instances("b", "a")...), "an old program on the new host is one more")
	require.NotZero(t, w.host(t, next.ID).ClonedAt)
	w.revoke(t, tunneler("t-01"))
	w.enroll(t, tunneler("t-01"))
	tunnelers, err := w.Tunnelers(t.Context())
	require.NoError(t, err)
	require.Nil(t, tunnelers[0].Clone)
}

func TestQuarantineRevokesEveryMemberOfTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.restart(fleet.CloneQuarantine)
	h := w.enroll(t, connector("c-01"), tunneler("t-01"))
	w.enroll(t, tunneler("t-02"))
	err := w.visits(t, connector("c-01"), instances("a", "b", "a")...)
	require.ErrorIs(t, err, fleet.ErrRevoked)
	require.Len(t, w.changes.Revoked(), 2)
	require.NotZero(t, w.host(t, h.ID).RevokedAt, "so that the reconciler bans its agent")
	for _, who := range []identity.Workload{connector("c-01"), tunneler("t-01")} {
		require.ErrorIs(t, w.visits(t, who, instances("a")...), fleet.ErrRevoked)
	}
	require.NoError(t, w.visits(t, tunneler("t-02"), instances("a")...))
	all, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	actions := map[string]int{}
	for _, e := range all {
		actions[string(e.Action)+" "+e.Target]++
	}
	require.Equal(t, map[string]int{
		"host.cloned host/" + string(h.ID): 1, "member.revoke connector/c-01": 1, "member.revoke tunneler/t-01": 1,
	}, actions)
}

// TestAHostThatWasMarkedBeforeIsQuarantinedLater: the policy was made stricter.
func TestAHostThatWasMarkedBeforeIsQuarantinedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"))
	require.NoError(t, w.visits(t, connector("c-01"), instances("a", "b", "a")...))
	w.restart(fleet.CloneQuarantine)
	require.NoError(t, w.visits(t, connector("c-01"), instances("a", "b")...))
	require.ErrorIs(t, w.visits(t, connector("c-01"), instances("a")...), fleet.ErrRevoked)
	require.NotZero(t, w.host(t, h.ID).RevokedAt)
	require.Len(t, w.clonedEvents(t), 1)
}

// watch reads the serials of w's agents; rotation says whether one explains them.
func (w *world) watch(rotation func() (time.Time, bool, error)) *fleet.AgentWatch {
	if rotation == nil {
		rotation = func() (time.Time, bool, error) { return time.Time{}, false, nil }
	}
	return fleet.NewAgentWatch(fleet.AgentWatchConfig{
		Fleet: w.Fleet, SPIRE: w.spire, Log: zap.NewNop(),
		Rotation: func(context.Context) (time.Time, bool, error) { return rotation() },
	})
}

// turn is ten seconds: the agent may have another serial, and is read.
func (w *world) turn(t *testing.T, watch *fleet.AgentWatch, h fleet.Host, serial int) {
	t.Helper()
	w.clock.Advance(10 * time.Second)
	w.spire.AttestAs(fleet.Agent{ID: h.AgentID, SerialNumber: fmt.Sprint(serial), ExpiresAt: w.clock.Now().Add(time.Hour)})
	require.NoError(t, watch.Read(t.Context()))
}

func agentIs(start string) visit {
	return visit{instance: "a", boot: "boot", agent: start, from: "192.0.2.1"}
}

func heardAgain(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestASerialThatTheHostsOwnAgentCannotHaveMadeIsAClone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"), tunneler("t-01"))
	watch := w.watch(nil)
	require.NoError(t, w.visits(t, connector("c-01"), agentIs("7@100")))
	again, bystander := w.HelloWanted(connector("c-01")), w.HelloWanted(tunneler("t-01"))
	for serial := range 4 {
		w.turn(t, watch, h, serial)
		require.False(t, heardAgain(again), "three changes are not enough")
	}
	w.turn(t, watch, h, 4)
	require.True(t, heardAgain(again))
	require.True(t, heardAgain(bystander), "whoever answers first")
	require.Zero(t, w.host(t, h.ID).ClonedAt, "not before the host has said which agent runs")

	late := agentIs("7@100")
	late.began = 5 * time.Second // its handshake began before the last change
	require.NoError(t, w.visits(t, connector("c-01"), late))
	require.Zero(t, w.host(t, h.ID).ClonedAt)
	require.NoError(t, w.visits(t, connector("c-01"), agentIs("7@100")))
	got := w.host(t, h.ID)
	require.NotZero(t, got.ClonedAt)
	require.Equal(t, fleet.TwoAgents, got.Clone.Signal)
	require.Equal(t, []string{"192.0.2.1:1"}, got.Clone.Addresses())
	events := w.clonedEvents(t)
	require.Len(t, events, 1)
	require.Contains(t, events[0].Reason, "a second agent at an unknown address")
}

func TestSerialsThatOneHostExplainsAreNoClone(t *testing.T) {
	t.Parallel()
	type scene struct {
		*world
		host  fleet.Host
		watch *fleet.AgentWatch
	}
	hello := func(t *testing.T, s scene, v visit) {
		t.Helper()
		require.NoError(t, s.visits(t, connector("c-01"), v))
	}
	for name, play := range map[string]func(*testing.T, scene){
		"an agent that crashes in a loop": func(t *testing.T, s scene) {
			t.Helper()
			for i := range 100 {
				s.turn(t, s.watch, s.host, i)
				if i%7 == 6 { // whenever it is asked, or the stream broke anyway
					hello(t, s, agentIs(fmt.Sprintf("%d@%d", i, i)))
				}
			}
		},
		"a network that flaps, so that the supervisor restarts the agent every 30 s": func(t *testing.T, s scene) {
			t.Helper()
			for i := range 100 {
				for range 3 {
					s.turn(t, s.watch, s.host, i)
				}
				hello(t, s, agentIs(fmt.Sprint(i)))
			}
		},
		"three reboots, with the same process id by chance": func(t *testing.T, s scene) {
			t.Helper()
			for i := range 20 {
				s.turn(t, s.watch, s.host, i)
				if i%5 == 4 {
					v := agentIs("7@100")
					v.boot = fmt.Sprint(i)
					hello(t, s, v)
				}
			}
		},
		"renewals at half-life for a month": func(t *testing.T, s scene) {
			t.Helper()
			for i := range 30 * 48 {
				s.turn(t, s.watch, s.host, i)
				s.clock.Advance(27 * time.Minute)
				hello(t, s, agentIs("7@100"))
			}
		},
		"an operator who evicts the agent beside its renewal": func(t *testing.T, s scene) {
			t.Helper()
			for _, serial := range []int{1, 2, 3, 3, 3} {
				s.turn(t, s.watch, s.host, serial)
			}
			hello(t, s, agentIs("7@100"))
		},
		"a program that cannot name the agent": func(t *testing.T, s scene) {
			t.Helper()
			hello(t, s, agentIs(""))
			for i := range 50 {
				s.turn(t, s.watch, s.host, i)
				hello(t, s, agentIs(""))
			}
		},
		"an agent that is asked about and was restarted": func(t *testing.T, s scene) {
			t.Helper()
			again := s.HelloWanted(connector("c-01"))
			for i := range 20 {
				s.turn(t, s.watch, s.host, i)
			}
			require.True(t, heardAgain(again))
			hello(t, s, agentIs("8@900"))
			hello(t, s, agentIs("8@900"))
		},
		"a host that does not answer": func(t *testing.T, s scene) {
			t.Helper()
			for i := range 20 {
				s.turn(t, s.watch, s.host, i)
			}
		},
		"a host that is revoked meanwhile": func(t *testing.T, s scene) {
			t.Helper()
			for i := range 3 {
				s.turn(t, s.watch, s.host, i)
			}
			s.revoke(t, connector("c-01"))
			for i := range 20 {
				s.turn(t, s.watch, s.host, 10+i)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := scene{w, w.enroll(t, connector("c-01")), w.watch(nil)}
			require.NoError(t, w.visits(t, connector("c-01"), agentIs("7@100")))
			play(t, s)
			require.Zero(t, w.host(t, s.host.ID).ClonedAt)
		})
	}
}

// TestCARotationsAreNoClone: each makes every agent attest again, ten of them back
// to back.
func TestCARotationsAreNoClone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"))
	running, ended := false, time.Time{}
	watch := w.watch(func() (time.Time, bool, error) { return ended, running, nil })
	require.NoError(t, w.visits(t, connector("c-01"), agentIs("7@100")))
	for i := range 10 {
		running = true
		w.turn(t, watch, h, i)
		running, ended = false, w.clock.Now()
		w.turn(t, watch, h, 100+i) // an agent that was late
		require.NoError(t, w.visits(t, connector("c-01"), agentIs("7@100")))
	}
	require.Zero(t, w.host(t, h.ID).ClonedAt)

	w.clock.Advance(2 * time.Minute) // long after the last, it is no excuse
	for i := range 5 {
		w.turn(t, watch, h, 200+i)
	}
	require.NoError(t, w.visits(t, connector("c-01"), agentIs("7@100")))
	require.NotZero(t, w.host(t, h.ID).ClonedAt)
}

func TestAReadingThatFailsIsNoChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"))
	lost := errors.New("lost")
	var fault error
	watch := w.watch(func() (time.Time, bool, error) { return time.Time{}, false, fault })
	require.NoError(t, watch.Read(t.Context()), "nobody has named an agent yet")
	require.NoError(t, w.visits(t, connector("c-01"), agentIs("7@100")))
	w.spire.Fail("AgentPage", lost)
	require.ErrorIs(t, watch.Read(t.Context()), lost)
	fault = lost
	require.ErrorIs(t, watch.Read(t.Context()), lost)
	fault = nil
	w.turn(t, watch, h, 1)
	require.Zero(t, w.host(t, h.ID).ClonedAt)
}

func TestTheAgentWatchEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, newWorld(t).watch(nil).Run(ctx))
}

func TestNothingIsKeptOfARevokedMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"), tunneler("t-01"))
	issue := identity.Issue{Host: h.ID, NotBefore: w.clock.Now()}
	require.NoError(t, w.AdmitConnector(t.Context(), fleet.Hello{ID: "c-01", InstanceID: "one"}, issue))
	require.NoError(t, w.AdmitTunneler(t.Context(), fleet.Hello{ID: "t-01", InstanceID: "one"}, issue))
	w.HelloWanted(connector("c-01"))
	require.Equal(t, 3, w.KeptOfClones())
	w.revoke(t, connector("c-01"))
	w.revoke(t, tunneler("t-01"))
	require.Zero(t, w.KeptOfClones())
}
