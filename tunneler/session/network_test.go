package session_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// plant is a network of connectors, and a tunneler that may use all of them.
type plant struct {
	*world

	connectors map[string]*fakeConnector
	silent     map[string]*atomic.Bool
	list       []directory.Connector
}

func newPlant(t *testing.T, names string, opts ...func(*session.Config)) *plant {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	p := &plant{connectors: map[string]*fakeConnector{}, silent: map[string]*atomic.Bool{}}
	for _, id := range strings.Fields(names) {
		silent := &atomic.Bool{}
		f := startConnector(t, ca, connectorSVID(t, ca, id), false, func(f *fakeConnector) {
			f.answer = func(n uint64) []*zerotrustv1.SessionResponse {
				if silent.Load() {
					return nil
				}
				return []*zerotrustv1.SessionResponse{ack(n, n)}
			}
		})
		c := at(id, f.addr)
		c.NetworkID = "plant"
		p.connectors[id], p.silent[id], p.list = f, silent, append(p.list, c)
	}
	p.world = start(t, ca, opts...)
	p.book.turn(p.list...)
	return p
}

// two waits for sessions with two connectors, none of them in except, and returns them.
func (p *plant) two(t *testing.T, except ...string) (in []session.Info) {
	t.Helper()
	require.Eventually(t, func() bool {
		in = p.manager.Sessions(time.Time{})
		for _, i := range in {
			if !i.Connected {
				return false
			}
			for _, id := range except {
				if i.ConnectorID == id {
					return false
				}
			}
		}
		return len(in) == 2
	}, soon, time.Millisecond, "%v", in)
	return in
}

func TestTwoOfEachNetwork(t *testing.T) {
	t.Parallel()
	t.Run("are used of three, and say why", func(t *testing.T) {
		t.Parallel()
		p := newPlant(t, "a b c")
		for _, i := range p.two(t) {
			require.Equal(t, "plant", i.Network)
			require.Equal(t, "the hash of both ids selects it", i.Why)
			require.Contains(t, p.manager.Explain(), "used because "+i.Why)
		}
		require.Equal(t, session.Status{Open: 2, Wanted: 2}, p.manager.Status())
	})
	t.Run("are used of each of two", func(t *testing.T) {
		t.Parallel()
		p := newPlant(t, "a b c d e f")
		p.two(t)
		for i := range 3 {
			p.list[i].NetworkID = "office"
		}
		p.book.turn(p.list...)
		require.Eventually(t, func() bool { return p.manager.Status() == session.Status{Open: 4, Wanted: 4} }, soon, time.Millisecond)
		per := map[string]int{}
		for _, i := range p.manager.Sessions(time.Time{}) {
			per[i.Network]++
		}
		require.Equal(t, map[string]int{"plant": 2, "office": 2}, per)
	})
	t.Run("leave one that died for another", func(t *testing.T) {
		t.Parallel()
		p := newPlant(t, "a b c")
		was := p.two(t)
		p.connectors[was[0].ConnectorID].stop()
		now := p.two(t, was[0].ConnectorID)
		require.Contains(t, now[0].Why+now[1].Why, "in place of "+was[0].ConnectorID+", which is down: ")
		require.Empty(t, p.connectors[was[1].ConnectorID].ended, "the other session went on")
	})
	t.Run("leave one that does not answer any more for another", func(t *testing.T) {
		t.Parallel()
		p := newPlant(t, "a b c")
		was := p.two(t)
		p.silent[was[0].ConnectorID].Store(true)
		now := p.two(t, was[0].ConnectorID)
		require.Contains(t, now[0].Why+now[1].Why, "in place of "+was[0].ConnectorID+", which is down: it has not answered for ")
		p.connectors[was[0].ConnectorID].end(t)
	})
	t.Run("are both replaced when both died", func(t *testing.T) {
		t.Parallel()
		p := newPlant(t, "a b c d")
		was := p.two(t)
		for _, i := range was {
			p.connectors[i.ConnectorID].stop()
		}
		p.two(t, was[0].ConnectorID, was[1].ConnectorID)
	})
	t.Run("include the one that CONNECTOR_ADDR leads to, whatever comes first", func(t *testing.T) {
		t.Parallel()
		first := newPlant(t, "a b c").two(t)
		third := strings.NewReplacer(first[0].ConnectorID, "", first[1].ConnectorID, "").Replace("abc")
		g := newGate(t)
		g.open.Store(false) // until it is known where it leads
		p := newPlant(t, "a b c", by(g.addr))
		g.to = []string{p.connectors[third].addr}
		g.open.Store(true)
		p.connected(t, third, g.addr)
		p.two(t)
		require.Equal(t, "CONNECTOR_ADDR leads to it", p.info(third).Why)
	})
	t.Run("are one with CONNECTOR_ID", func(t *testing.T) {
		t.Parallel()
		for _, id := range []string{"a", "b", "c"} {
			p := newPlant(t, "a b c", func(c *session.Config) { c.ConnectorID = id })
			p.connected(t, id, p.connectors[id].addr)
			require.Equal(t, session.Status{Open: 1, Wanted: 1}, p.manager.Status())
		}
	})
	t.Run("are kept when they do not answer and there is no other", func(t *testing.T) {
		t.Parallel()
		p := newPlant(t, "a b")
		was := p.two(t)
		require.Zero(t, p.connectors["a"].probes.Load(), "there would be nothing to do about it")
		require.Equal(t, "the network has no other connector", was[0].Why)
	})
}

func TestHandshakeMeasuresAConnector(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	a := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
	measure := session.Handshake(ca.Identity(ca.SVID(t, laptop)))
	took, err := measure(t.Context(), at("a", "127.0.0.1:1", a.addr))
	require.NoError(t, err)
	require.Positive(t, took)

	for name, c := range map[string]directory.Connector{
		"another connector answers": at("b", a.addr),
		"nobody answers":            at("a", hosttest.Address(t)),
		"it lists no address":       at("a"),
	} {
		_, err := measure(t.Context(), c)
		require.Error(t, err, name)
	}
	require.Empty(t, a.beats, "no session")
}
