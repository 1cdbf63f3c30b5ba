package clients_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/servers"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// full is set by make e2e-clients: 1 GB both ways instead of 64 MB, and ten CA rotations.
var full = flag.Bool("full", false, "carry 1 GB, and rotate for five minutes")

// soon is how long anything may take that takes a second or two on an idle machine.
const soon = 60 * time.Second

// site is a controller with connectors of one network, and a tunneler at whose local
// addresses clients connect.
type site struct {
	*worldtest.World
	t          *testing.T
	connectors []*world.Host
	tunneler   *world.Host
	socks      string
	socket     string            // of grpctunneler connect
	forwards   map[string]string // local address of each target
}

// newSite is a site whose hosts were not started yet.
func newSite(t *testing.T, flags ...string) *site {
	t.Helper()
	s := &site{World: worldtest.New(t, append([]string{"--spire-attestation-limit=false", "--log-level", "warn"}, flags...)...), t: t, socks: hosttest.Address(t), forwards: map[string]string{}}
	s.socket = s.Path("connect.sock")
	s.Boot()
	return s
}

// connect brings connectors ONLINE, and then the tunneler, which has a local listener for each
// target.
func (s *site) connect(connectors int, targets ...string) {
	s.t.Helper()
	for i := range connectors {
		id := fmt.Sprintf("c-%02d", i+1)
		s.connectors = append(s.connectors, s.Join(id, "connector", id))
	}
	s.tunnel(targets...)
}

// tunnel brings the tunneler ONLINE.
func (s *site) tunnel(targets ...string) {
	s.t.Helper()
	var forwards []string
	for _, to := range targets {
		s.forwards[to] = hosttest.Address(s.t)
		forwards = append(forwards, s.forwards[to]+"="+to)
	}
	s.tunneler = s.Host("t", "tunneler", "t-01")
	s.tunneler.Env = []string{"SOCKS_LISTEN=" + s.socks, "LOCAL_SOCKET=" + s.socket}
	if len(forwards) > 0 {
		s.tunneler.Env = append(s.tunneler.Env, "FORWARDS="+strings.Join(forwards, ","))
	}
	s.Enroll(s.tunneler)
	require.NoError(s.t, s.tunneler.Start())
	s.Online(s.tunneler)
}

// allow makes the targets one resource that the tunneler may reach, and waits until it does.
func (s *site) allow(id string, targets ...string) {
	s.t.Helper()
	s.resource(id, targets...)
	s.grant(id, time.Time{})
	s.reached(targets[0])
}

func (s *site) resource(id string, targets ...string) {
	s.t.Helper()
	var hosts, ports []string
	for _, to := range targets {
		host, port, err := net.SplitHostPort(to)
		require.NoError(s.t, err)
		if len(hosts) == 0 {
			hosts = []string{host}
		}
		require.Equal(s.t, hosts[0], host)
		ports = append(ports, port)
	}
	_, err := s.API.CreateResource(s.t.Context(), adminapi.ResourceRequest{ID: id, Hosts: hosts, Ports: ports})
	require.NoError(s.t, err)
}

func (s *site) grant(resource string, until time.Time) {
	s.t.Helper()
	_, err := s.API.CreateGrant(s.t.Context(), adminapi.GrantRequest{ID: resource, Subject: "tunneler/t-01", Object: "resource/" + resource, Until: until})
	require.NoError(s.t, err)
}

// reached waits until a flow to the target opens.
func (s *site) reached(to string) {
	s.t.Helper()
	s.Eventually(soon, "a flow to "+to, func(ctx context.Context) error {
		c, err := s.dial(ctx, to)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

// dial opens a flow through SOCKS5.
func (s *site) dial(ctx context.Context, to string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.socks)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	answer := make([]byte, 2+10)
	if _, err = c.Write(append(append([]byte{5, 1, 0, 5, 1, 0, 1}, net.ParseIP(host).To4()...), byte(n>>8), byte(n))); err == nil {
		_, err = io.ReadFull(c, answer)
	}
	if err == nil && answer[3] != 0 {
		err = fmt.Errorf("SOCKS5 answers %d", answer[3])
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// command is one that runs to its end.
type command struct {
	stdin io.Reader
	env   []string
	argv  []string
}

// says runs a client, which must end well, and returns what it says on standard output.
func says(t *testing.T, c command) string {
	t.Helper()
	var out bytes.Buffer
	runTo(t, c, &out)
	return out.String()
}

func runTo(t *testing.T, c command, out io.Writer) {
	t.Helper()
	if !filepath.IsAbs(c.argv[0]) {
		c.argv[0] = servers.Tool(t, c.argv[0])
	}
	require.NoError(t, c.run(t.Context(), out))
}

// run needs the path of the program.
func (c command) run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	var stderr strings.Builder
	cmd.Env = append(world.Environment(), c.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.stdin, out, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(c.argv, " "), err, stderr.String())
	}
	return nil
}

// random is a file of this many random bytes, and its hash.
func random(t *testing.T, path string, size int64) (sum string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, h), rand.Reader, size)
	require.NoError(t, errors.Join(err, f.Close()))
	return hex.EncodeToString(h.Sum(nil))
}

// sumOf is the hash of what is in a file.
func sumOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	require.NoError(t, err)
	return hex.EncodeToString(h.Sum(nil))
}
