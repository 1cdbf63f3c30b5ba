package clients_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

const (
	// newFlow is what a dead connector may cost a new flow.
	newFlow = time.Second
	// promisedP99 is how soon a withdrawn grant has ended its flows. Beside other tests, on a
	// busy machine, the loose one shows that it ends them.
	promisedP99, looseP99 = 100 * time.Millisecond, 3 * time.Second
	// grace is how long flows outlive the SVID that was proved last (internal/reproof).
	grace = 30 * time.Second
	// shortLife is the shortest TTL of an SVID that the controller takes.
	shortLife = 30 * time.Second
)

// stream is a flow to an echo server on which something is said every 10 ms.
type stream struct {
	net.Conn

	done chan struct{} // closed when it has ended

	// Valid once done is closed.
	err error
	at  time.Time

	mu      sync.Mutex
	said    uint64
	longest time.Duration // without an answer
}

// stream opens one through SOCKS5.
func (s *site) stream(to string) *stream {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), soon)
	defer cancel()
	c, err := s.dial(ctx, to)
	require.NoError(s.t, err)
	f := &stream{Conn: c, done: make(chan struct{})}
	s.t.Cleanup(func() {
		_ = c.Close()
		<-f.done
	})
	go f.run()
	return f
}

func (f *stream) run() {
	defer close(f.done)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var out, in [8]byte
	for n := uint64(1); ; n++ {
		begin := time.Now()
		binary.BigEndian.PutUint64(out[:], n)
		if _, f.err = f.Write(out[:]); f.err == nil {
			_, f.err = io.ReadFull(f, in[:])
		}
		if f.err == nil && in != out {
			f.err = errors.New("it answers something else")
		}
		if f.at = time.Now(); f.err != nil {
			return
		}
		f.mu.Lock()
		f.said, f.longest = n, max(f.longest, f.at.Sub(begin))
		f.mu.Unlock()
		<-tick.C
	}
}

func (f *stream) count() (said uint64, longest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.said, f.longest
}

// end waits until the stream has ended, for which its peer reset it.
func (f *stream) end(t *testing.T, within time.Duration) time.Time {
	t.Helper()
	select {
	case <-f.done:
	case <-time.After(within):
		require.FailNow(t, "the flow has not ended", "within %s", within)
	}
	require.ErrorIs(t, f.err, syscall.ECONNRESET, "a client learns that this is no end in order")
	return f.at
}

// lives requires that something is still said and answered on the stream.
func (f *stream) lives(t *testing.T) {
	t.Helper()
	was, _ := f.count()
	require.NoError(t, world.Eventually(t.Context(), soon, "an untouched flow goes on", func(context.Context) error {
		select {
		case <-f.done:
			require.NoError(t, f.err, "the flow ended")
		default:
		}
		if now, _ := f.count(); now < was+5 {
			return errors.New("nothing is answered")
		}
		return nil
	}))
}

// through opens flows that go through this one of two connectors: the other one stands still.
func (s *site) through(i int, to string, count int) (out []*stream) {
	s.t.Helper()
	other := s.connectors[1-i].Program
	require.NoError(s.t, other.Pause())
	for range count {
		out = append(out, s.stream(to))
	}
	require.NoError(s.t, other.Signal(syscall.SIGCONT))
	return out
}

// newFlows opens some one after the other. Each must be there within the bound.
func (s *site) newFlows(to string, count int) (longest time.Duration) {
	s.t.Helper()
	for range count {
		began := time.Now()
		f := s.stream(to)
		longest = max(longest, time.Since(began))
		f.lives(s.t)
		_ = f.Close()
	}
	require.Less(s.t, longest, newFlow)
	return longest
}

func TestOneOfTwoConnectorsIsKilled(t *testing.T) {
	t.Parallel()
	to := echo(t)
	s := newSite(t)
	s.connect(2)
	s.allow("echo", to)
	first, second := s.through(0, to, 5), s.through(1, to, 5)
	began := time.Now()
	s.connectors[0].Program.Kill()
	longest := s.newFlows(to, 20)
	var last time.Time
	for _, f := range first {
		if at := f.end(t, soon); at.After(last) {
			last = at
		}
	}
	require.Less(t, last.Sub(began), newFlow, "those on the killed one end at once")
	var pause time.Duration
	for _, f := range second {
		f.lives(t)
		_, longest := f.count()
		pause = max(pause, longest)
	}
	t.Logf("flows on the killed connector ended after %.0f ms; a new flow took %.0f ms at most; the longest pause of those on the other one was %.0f ms", ms(last.Sub(began)), ms(longest), ms(pause))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func TestTheControllerIsGone(t *testing.T) {
	t.Parallel()
	to := echo(t)
	s := newSite(t)
	s.connect(1)
	s.allow("echo", to)
	f := s.stream(to)
	s.Kill()
	longest := s.newFlows(to, 20)
	f.lives(t)
	t.Logf("without a controller a new flow took %.0f ms at most", ms(longest))
	s.Boot()
	s.Online(s.connectors[0], s.tunneler)
	f.lives(t)
	require.NoError(t, s.API.DeleteGrant(t.Context(), "echo"))
	f.end(t, soon)
}

func TestAGrantThatRunsOutEndsItsFlows(t *testing.T) {
	t.Parallel()
	to, other := echo(t), echo(t)
	s := newSite(t)
	s.connect(1)
	s.allow("other", other)
	s.resource("echo", to)
	until := time.Now().Add(8 * time.Second).Truncate(time.Millisecond)
	s.grant("echo", until)
	s.reached(to)
	f, stays := s.stream(to), s.stream(other)
	late := f.end(t, soon).Sub(until)
	require.GreaterOrEqual(t, late, time.Duration(0), "not before its time")
	require.Less(t, late, newFlow)
	stays.lives(t)
	_, err := s.dial(t.Context(), to)
	require.ErrorContains(t, err, "SOCKS5 answers 2")
	t.Logf("the flow ended %.1f ms after the end of its grant", ms(late))
}

func TestAWithdrawnGrantEndsAllItsFlows(t *testing.T) {
	t.Parallel()
	const rounds, flows = 10, 10
	to, other := echo(t), echo(t)
	s := newSite(t)
	s.connect(1)
	s.allow("other", other)
	stays := s.stream(other)
	s.resource("echo", to)
	var took []time.Duration
	for range rounds {
		s.grant("echo", time.Time{})
		s.reached(to)
		all := make([]*stream, flows)
		for i := range all {
			all[i] = s.stream(to)
		}
		began := time.Now()
		require.NoError(t, s.API.DeleteGrant(t.Context(), "echo"))
		for _, f := range all {
			took = append(took, f.end(t, soon).Sub(began))
		}
	}
	stays.lives(t)
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	bound := looseP99
	if *full {
		bound = promisedP99
	}
	t.Logf("%d flows, from the call of the API to the client's reset: p50 %.1f ms, p99 %.1f ms (bound %s)", len(took), ms(p50), ms(p99), bound)
	require.LessOrEqual(t, p99, bound)
}

// TestTheSVIDOfTheTunnelerExpires: its agent is gone, so it proves no new one. New flows and
// old ones end grace after the last SVID, and not before.
func TestTheSVIDOfTheTunnelerExpires(t *testing.T) {
	t.Parallel()
	to := echo(t)
	s := newSite(t, "--svid-ttl-tunneler", shortLife.String())
	s.connect(1)
	s.allow("echo", to)
	f := s.stream(to)
	s.tunneler.Agent.Kill()
	at := f.end(t, 2*soon)
	late := at.Sub(s.Seen(s.tunneler).SVID.NotAfter.Add(grace)) // of the last one, which the controller has heard of by now
	require.GreaterOrEqual(t, late, -time.Second, "not before its time; certificates count seconds")
	require.Less(t, late, 5*time.Second)
	_, err := s.dial(t.Context(), to)
	require.Error(t, err)
	t.Logf("the flow ended %.1f s after the SVID's end and %s", late.Seconds(), grace)
}

// TestTheNetworkIsCut between the tunneler and one of two connectors: no packet comes back,
// and no reset. New flows take the other one. Those on the first end when what its connector
// has proved is over, and not when TCP gives up.
func TestTheNetworkIsCut(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	to := n.echo(t)
	s := newSite(t, append(n.flags(), "--svid-ttl-connector", shortLife.String())...)
	for i := range 2 {
		s.connectors = append(s.connectors, n.connector(s, i))
	}
	s.tunnel()
	s.allow("echo", to)
	first, second := s.through(0, to, 3), s.through(1, to, 3)
	end := s.Seen(s.connectors[0]).SVID.NotAfter.Add(grace)
	n.cut(0)
	longest := s.newFlows(to, 20)
	for _, f := range second {
		f.lives(t)
	}
	var late time.Duration
	for _, f := range first {
		at := f.end(t, 2*soon)
		late = at.Sub(end)
		require.GreaterOrEqual(t, late, -time.Second, "not before its time; certificates count seconds")
		require.Less(t, late, 20*time.Second, "the connector may have proved its next SVID meanwhile")
	}
	for _, f := range second {
		f.lives(t)
	}
	t.Logf("a new flow took %.0f ms at most; flows on the connector that was cut off ended %.1f s after its SVID's end and %s", ms(longest), late.Seconds(), grace)
}

// network has a namespace for each connector, at the end of a cable.
type network struct {
	t    *testing.T
	name string
}

// hub is where connectors reach the controller, and what they protect.
const hub = "198.18.255.1"

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, name: fmt.Sprintf("zc%d", os.Getpid())}
	n.ip("addr add " + hub + "/32 dev lo")
	t.Cleanup(func() { n.undo("addr del " + hub + "/32 dev lo") })
	return n
}

func (n *network) ip(command string) {
	n.t.Helper()
	out, err := exec.CommandContext(n.t.Context(), "ip", strings.Fields(command)...).CombinedOutput()
	require.NoError(n.t, err, "ip %s: %s", command, out)
}

func (n *network) undo(command string) {
	_ = exec.Command("ip", strings.Fields(command)...).Run() //nolint:noctx // also after the test's context ended
}

func (n *network) flags() []string {
	return []string{"--public-address", hub, "--listen-enrollment", hub + ":0", "--listen-control", hub + ":0", "--spire-server-listen", hub + ":0"}
}

func (n *network) echo(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", hub+":0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func (n *network) place(i int) string { return fmt.Sprintf("%sn%d", n.name, i) }

func (n *network) cable(i int) string { return fmt.Sprintf("%sv%d", n.name, i) }

// connector brings one ONLINE at the end of its own cable.
func (n *network) connector(s *site, i int) *world.Host {
	n.t.Helper()
	near, far, ns, cable := fmt.Sprintf("198.18.%d.1", i), fmt.Sprintf("198.18.%d.2", i), n.place(i), n.cable(i)
	n.ip("netns add " + ns)
	n.t.Cleanup(func() {
		n.undo("link del " + cable)
		n.undo("netns del " + ns)
	})
	n.ip("link add " + cable + " type veth peer name up0 netns " + ns)
	n.ip("addr add " + near + "/30 dev " + cable)
	n.ip("link set " + cable + " up")
	n.ip("-n " + ns + " link set lo up")
	n.ip("-n " + ns + " addr add " + far + "/30 dev up0")
	n.ip("-n " + ns + " link set up0 up")
	n.ip("-n " + ns + " route add default via " + near)
	id := fmt.Sprintf("c-%02d", i+1)
	h := s.Host(id, "connector", id)
	h.Where = []string{"ip", "netns", "exec", ns}
	h.Env = []string{"LISTEN_ADDR=" + far + ":0", "CONNECTOR_PRIVATE_IP=" + far}
	s.Enroll(h)
	require.NoError(n.t, h.Start())
	s.Online(h)
	return h
}

// cut takes the far end out: packets leave, and none comes back.
func (n *network) cut(i int) {
	n.t.Helper()
	n.ip("-n " + n.place(i) + " link set up0 down")
}

// TestFlowsOutliveARotationOfTheCA, in which connector and tunneler prove new SVIDs, which
// they do every 15 s besides.
func TestFlowsOutliveARotationOfTheCA(t *testing.T) {
	t.Parallel()
	to := echo(t)
	s := newSite(t, "--svid-ttl-connector", shortLife.String(), "--svid-ttl-tunneler", shortLife.String())
	s.connect(2)
	s.allow("echo", to)
	flows := append(s.through(0, to, 3), s.through(1, to, 3)...)
	before := map[*world.Host]string{}
	for _, h := range append(slices.Clone(s.connectors), s.tunneler) {
		before[h] = s.Seen(h).SVID.Serial
	}
	s.rotate()
	for h, was := range before {
		require.NotEqual(t, was, s.Seen(h).SVID.Serial, "%s has a new SVID", h.ID)
	}
	longest := s.newFlows(to, 10)
	var pause time.Duration
	for _, f := range flows {
		f.lives(t)
		_, longest := f.count()
		pause = max(pause, longest)
	}
	t.Logf("no flow ended; the longest pause of one was %.0f ms, a new flow took %.0f ms at most", ms(pause), ms(longest))
}

// rotate replaces the authority of the CA, and waits until everybody is through.
func (s *site) rotate() {
	s.t.Helper()
	r, err := s.CLI(s.t.Context(), "ca", "rotate", "--yes", "-o", "json")
	require.NoError(s.t, err)
	require.Zero(s.t, r.Code, r.Stderr)
	ca, err := s.API.CA(s.t.Context())
	require.NoError(s.t, err)
	require.Equal(s.t, adminapi.RotationDone, ca.Rotation.Status)
	require.Empty(s.t, ca.Rotation.Dropped)
}
