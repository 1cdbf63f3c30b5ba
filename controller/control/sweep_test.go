package control

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// sweeping is a controller with connections of tunnelers, whose handshakes, registrations,
// changes, publications and sweeps come in any order. White-box, because a test has to stand
// between these.
type sweeping struct {
	*link

	t       *testing.T
	own     *mtlstest.Identity
	callers []*mtlstest.Identity
	sweeper *sweeper
	opened  mtls.Opened // after the connection was added
	arrived []*mtls.Conn
	here    map[*mtls.Conn]bool // whether it was named whenever it was looked at
}

// members is how many ids there are.
const members = 6

func newSweeping(t *testing.T, ca *mtlstest.CA, callers []*mtlstest.Identity) *sweeping {
	t.Helper()
	s := &sweeping{
		link: newLink(), t: t, callers: callers, here: map[*mtls.Conn]bool{},
		own: ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/controller/c1")),
	}
	for i := range members { // more than can change at once, so that not everybody is looked at
		s.enroll(i, time.Hour)
	}
	for i := range 50 {
		s.rows.put(fmt.Sprintf("other-%d", i), s.clock)
	}
	require.NoError(t, s.publisher.Refresh(context.Background()))
	s.sweeper = &sweeper{policy: s.publisher, conns: mtls.NewConns(maxConnections)}
	s.sweeper.sweep()
	s.opened = mtls.Newcomers(0, func(c *mtls.Conn) error { return judge(s.publisher.Current(), c) })
	return s
}

// callers have SVIDs of now.
func callersOf(t *testing.T, ca *mtlstest.CA) (all []*mtlstest.Identity) {
	t.Helper()
	for i := range members {
		all = append(all, ca.Identity(ca.SVID(t, fmt.Sprintf("spiffe://mycorp.internal/tunneler/t-%d", i))))
	}
	return all
}

// enroll names a member since so long ago; after now, its SVID is that of a former holder.
func (s *sweeping) enroll(i int, ago time.Duration) {
	s.rows.put(fmt.Sprintf("t-%d", i), time.Now().Add(-ago))
}

func (s *sweeping) revoke(i int) { s.rows.put(fmt.Sprintf("t-%d", i), time.Time{}) }

// arrive finishes a handshake.
func (s *sweeping) arrive(i int) {
	_, far := mtlstest.Connect(s.t, s.callers[i], s.own)
	s.arrived = append(s.arrived, far.Conn)
}

// register does what the listener does with a connection after its handshake.
func (s *sweeping) register() {
	c := s.arrived[0]
	s.arrived = s.arrived[1:]
	if s.sweeper.conns.Add(c) != nil {
		return
	}
	s.here[c] = judge(s.publisher.Current(), c) == nil
	require.NoError(s.t, s.opened(c))
}

func (s *sweeping) publish(t require.TestingT) {
	require.NoError(t, s.publisher.Refresh(context.Background()))
	for c, named := range s.here {
		s.here[c] = named && judge(s.publisher.Current(), c) == nil
	}
}

// settle publishes, sweeps, and requires that nobody is connected who is not named, and
// that nobody was cut who always was.
func (s *sweeping) settle(t require.TestingT) {
	s.publish(t)
	s.sweeper.sweep()
	for c, named := range s.here {
		if judge(s.publisher.Current(), c) == nil {
			if named {
				require.NoError(t, c.Reason(), "%s was named all the time", c.Peer())
			}
			continue
		}
		select {
		case <-c.Closed():
			require.ErrorIs(t, c.Reason(), fleet.ErrRevoked)
		case <-time.After(10 * time.Second):
			require.Fail(t, "connected and not named", c.Peer())
		}
	}
}

// TestNobodyIsConnectedWhoIsNotNamed: whatever interleaves of handshakes, registrations,
// revocations, enrollments, publications and sweeps.
func TestNobodyIsConnectedWhoIsNotNamed(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, domain)
	callers := callersOf(t, ca)
	rapid.Check(t, func(rt *rapid.T) {
		s := newSweeping(t, ca, callers)
		member := func(rt *rapid.T) int { return rapid.IntRange(0, members-1).Draw(rt, "member") }
		rt.Repeat(map[string]func(*rapid.T){
			"revoke":      func(rt *rapid.T) { s.revoke(member(rt)) },
			"enroll":      func(rt *rapid.T) { s.enroll(member(rt), time.Hour) },
			"enroll anew": func(rt *rapid.T) { s.enroll(member(rt), -time.Hour) },
			"arrive":      func(rt *rapid.T) { s.arrive(member(rt)) },
			"register": func(*rapid.T) {
				if len(s.arrived) > 0 {
					s.register()
				}
			},
			"publish": func(rt *rapid.T) { s.publish(rt) },
			"sweep":   func(*rapid.T) { s.sweeper.sweep() },
		})
		s.settle(rt)
	})
}

// TestOneRevokedBetweenHandshakeAndRegistrationIsCut: when the change was swept, the
// connection was not known yet, and no later change is about its peer.
func TestOneRevokedBetweenHandshakeAndRegistrationIsCut(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, domain)
	s := newSweeping(t, ca, callersOf(t, ca))
	s.arrive(0)
	s.revoke(0)
	s.publish(t)
	s.sweeper.sweep()
	s.register()
	s.rows.put("somebody-else", s.clock)
	s.settle(t)
}

// TestASweepLooksOnlyAtWhomTheChangeIsAbout, unless it cannot know that.
func TestASweepLooksOnlyAtWhomTheChangeIsAbout(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, domain)
	s := newSweeping(t, ca, callersOf(t, ca))
	before := s.publisher.Current()
	s.revoke(3)
	s.enroll(1, -time.Hour)
	s.publish(t)
	ids, ok := s.publisher.Current().Changed(before)
	require.True(t, ok)
	var names []string
	for _, id := range ids {
		w, err := identity.ParseWorkload(id)
		require.NoError(t, err)
		names = append(names, w.String())
	}
	require.ElementsMatch(t, []string{"tunneler/t-1", "tunneler/t-3"}, names)
	_, ok = s.publisher.Current().Changed(s.publisher.Current())
	require.False(t, ok, "the same policy anew: look at everybody")
	_, ok = before.Changed(s.publisher.Current())
	require.False(t, ok, "from a later one")
	s.restart(nil)
	s.publish(t)
	_, ok = s.publisher.Current().Changed(before)
	require.False(t, ok, "what an earlier run published is not known")
}
