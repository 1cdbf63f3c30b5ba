package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

const (
	absence     = 6 * time.Minute
	agentTTL    = "2m"
	backWithin  = 30 * time.Second
	connectorIP = 2 // last number of the host's address; the controller's side has 1
)

func TestAHostAbsentForSixMinutesReturnsWithinThirtySeconds(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seven minutes, left out by -short")
	}
	link := newLink(t)
	s := newWorld(t, append(link.listen(), "--spire-agent-ttl", agentTTL)...)
	connector := s.behind(link, "far-away-01")
	near := s.join("near", "connector", "near-01")
	before, nearBefore := s.seen(connector), s.seen(near)
	tokens := s.cli("token", "list", "-o", "json")

	cut := time.Now()
	link.set("down")
	s.offline(connector)
	require.Less(t, time.Since(cut), 45*time.Second, "OFFLINE after three missed heartbeats")
	// It does not get in by what it had: the bootstrap CA is replaced meanwhile.
	s.replaceBootstrapCA(near)
	nearAfter := s.seen(near)
	require.Equal(t, adminapi.Online, nearAfter.Status)
	require.Equal(t, nearBefore.Since, nearAfter.Since, "its stream has lived on")
	s.eventually(absence+time.Minute, "the absence is over", func(ctx context.Context) error {
		if left := absence - time.Since(cut); left > 0 {
			return fmt.Errorf("%s left, %w", left, s.isOffline(ctx, connector))
		}
		return nil
	})
	agent, err := s.agentOf(t.Context(), before.HostID)
	require.NoError(t, err)
	require.True(t, agent.ExpiresAt.Before(time.Now()), "the agent's SVID has expired: %s", agent.ExpiresAt)
	require.True(t, before.SVID.NotAfter.Before(time.Now()), "the connector's SVID has expired: %s", before.SVID.NotAfter)

	link.set("up")
	returned := time.Now()
	s.eventually(backWithin, "ONLINE again", func(ctx context.Context) error { return connector.Online(ctx, s.api) })
	t.Logf("ONLINE %.1f s after the link came back", time.Since(returned).Seconds())
	after := s.seen(connector)
	require.Equal(t, before.HostID, after.HostID)
	require.NotEqual(t, before.SVID.Serial, after.SVID.Serial)
	require.False(t, after.Contested)
	require.Equal(t, before.EnrolledAt, after.EnrolledAt)
	was, is := decode[[]adminapi.Token](t, tokens), decode[[]adminapi.Token](t, s.cli("token", "list", "-o", "json"))
	require.Equal(t, was, is, "no new token")
	for _, p := range []<-chan struct{}{connector.Agent.Done(), connector.Program.Done()} {
		select {
		case <-p:
			t.Error("a program of the host ended meanwhile")
		default:
		}
	}
}

// replaceBootstrapCA replaces it and requires that this host has followed.
func (s *system) replaceBootstrapCA(here *world.Host) {
	s.t.Helper()
	dir := hostagent.Dir{Root: here.HostDir()}
	was := readFile(s.t, dir.Certificate())
	begin := time.Now()
	ca := decode[adminapi.BootstrapCA](s.t, s.cli("ca", "bootstrap", "rotate", "--yes", "-o", "json"))
	s.t.Logf("the bootstrap CA was replaced in %.0f s", time.Since(begin).Seconds())
	require.Equal(s.t, "done", ca.Replacement.Status)
	require.Empty(s.t, ca.Replacement.Skipped)
	require.Len(s.t, ca.Anchors, 1)
	trusted, err := bootstrap.ReadAnchors(dir.ControllerCA())
	require.NoError(s.t, err)
	require.Len(s.t, trusted, 1)
	require.Equal(s.t, ca.Anchors[0].Fingerprint, strings.ToLower(bootstrap.Fingerprint(trusted[0])))
	require.NotEqual(s.t, was, readFile(s.t, dir.Certificate()), "the host has renewed its certificate")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(raw)
}

// link is a cable between this machine, where the controller runs, and a network
// namespace, where a host does.
type link struct {
	t                *testing.T
	namespace, cable string
	controller, host string // addresses
}

// links counts them: each has a network of its own.
var links atomic.Int32

func newLink(t *testing.T) *link {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs a network namespace: run it as root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Fatal("this test needs ip: apt-get install iproute2")
	}
	name := fmt.Sprintf("zt%d-%d", os.Getpid(), links.Add(1))
	l := &link{t: t, namespace: name, cable: name}
	near := l.claim()
	t.Cleanup(func() {
		for _, args := range []string{"link del " + l.cable, "netns del " + l.namespace, "addr del " + l.controller + "/32 dev lo"} {
			_ = exec.Command("ip", strings.Fields(args)...).Run() //nolint:noctx // also after the test's context ended
		}
	})
	l.ip("netns", "add", l.namespace)
	l.ip("link", "add", l.cable, "type", "veth", "peer", "name", "up0", "netns", l.namespace)
	l.ip("addr", "add", near+"/30", "dev", l.cable)
	l.ip("link", "set", l.cable, "up")
	l.ip("-n", l.namespace, "link", "set", "lo", "up")
	l.ip("-n", l.namespace, "addr", "add", l.host+"/30", "dev", "up0")
	l.ip("-n", l.namespace, "link", "set", "up0", "up")
	l.ip("-n", l.namespace, "route", "add", "default", "via", near)
	return l
}

// listen are the flags of a controller that hosts behind any link reach.
func (l *link) listen() []string {
	return []string{
		"--public-address", l.controller,
		"--listen-enrollment", l.controller + ":0", "--listen-control", l.controller + ":0", "--spire-server-listen", l.controller + ":0",
	}
}

// behind brings a connector ONLINE on the far side of a link.
func (s *system) behind(l *link, id string) *world.Host {
	s.t.Helper()
	h := s.host(id, "connector", id)
	h.Where = []string{"ip", "netns", "exec", l.namespace}
	h.Env = []string{"LISTEN_ADDR=" + l.host + ":0", "CONNECTOR_PRIVATE_IP=" + l.host}
	s.enroll(h)
	require.NoError(s.t, h.Start())
	s.online(h)
	return h
}

// claim takes the first free one of 64 networks of four, of the addresses for
// documentation (RFC 5737), and returns the near end of its cable. The controller's
// address is not on the cable, so that it stays while the cable is out; adding it
// is what claims the network, for it fails when another test has it.
func (l *link) claim() (near string) {
	l.t.Helper()
	var why []byte
	for n := range 64 {
		l.controller, l.host = fmt.Sprintf("203.0.113.%d", 4*n+1), fmt.Sprintf("198.51.100.%d", 4*n+connectorIP)
		out, err := exec.CommandContext(l.t.Context(), "ip", "addr", "add", l.controller+"/32", "dev", "lo").CombinedOutput()
		if err == nil {
			return fmt.Sprintf("198.51.100.%d", 4*n+1)
		}
		why = out
	}
	l.t.Fatalf("no network of 64 is free: %s: were tests killed? see ip addr show lo", why)
	return ""
}

func (l *link) set(state string) {
	l.t.Helper()
	l.ip("link", "set", l.cable, state)
}

func (l *link) ip(args ...string) {
	l.t.Helper()
	out, err := exec.CommandContext(l.t.Context(), "ip", args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("this test needs network namespaces: ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
