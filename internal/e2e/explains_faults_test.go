package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// fails runs a program that has to end by itself with the code, and returns its
// message: what it printed that is no log line.
func (s *system) fails(code int, program string, env []string, args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), soon)
	defer cancel()
	r, err := world.Run(ctx, world.Spec{Name: program, Dir: s.dir, Path: filepath.Join(s.Bin, program), Args: args, Env: env}, "")
	require.NoError(s.t, err)
	require.NoError(s.t, ctx.Err(), "%v did not end: %s", args, r.Stderr)
	require.Equal(s.t, code, r.Code, "%v: %s", args, r.Stderr)
	var out strings.Builder
	messages := 0
	for line := range strings.Lines(r.Stderr) {
		if !strings.HasPrefix(line, "{") {
			out.WriteString(line)
			if strings.HasPrefix(line, program+": ") {
				messages++
			}
		}
	}
	require.Equal(s.t, 1, messages, "one message: %s", out.String())
	require.NotContains(s.t, out.String(), "goroutine ", "a panic")
	return out.String()
}

// serve are the flags of a controller of this world with a data directory of its own.
func (s *system) serve(flags ...string) []string {
	s.t.Helper()
	return append([]string{
		"serve", "--data-dir", filepath.Join(s.dir, "another"), "--listen-enrollment", "127.0.0.1:0", "--listen-control", "127.0.0.1:0",
		"--listen-admin", "127.0.0.1:0", "--listen-health", "127.0.0.1:0", "--spire-server-listen", "127.0.0.1:0",
	}, flags...)
}

func TestAllFaultsOfAConfigurationAreInOneMessage(t *testing.T) {
	t.Parallel()
	s := prepareWorld(t)
	file := filepath.Join(s.dir, "controller.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
trust_domain: "not a domain"
controller_id: Controller_01
data_dir: relative/path
colour: blue
listen:
  admin: nowhere
spire:
  mode: external
  agent_ttl: 1h
  hurry: true
svid_ttl:
  connector: 1s
  tunneler: soon
log:
  level: loud
`), 0o600))
	for _, command := range []string{"serve", "check-config"} {
		text := s.fails(2, "grpccontroller", []string{"GRPCCONTROLLER_LISTEN_HEALTH=1.2.3.4"}, command, "--config", file)
		for _, path := range []string{
			"trust_domain", "controller_id", "data_dir", "colour", "listen.admin", "listen.health", "spire.server_socket", "spire.server_address",
			"spire.hurry", "svid_ttl.connector", "svid_ttl.tunneler", "log.level",
		} {
			require.Contains(t, strings.ToLower(text), path, "%s names every fault", command)
		}
	}

	conf := filepath.Join(s.dir, "host.conf")
	require.NoError(t, os.WriteFile(conf, []byte("CONNECTOR_ID=Bad_Id\nTUNNELER_ID=Bad_Id\nTRUST_DOMAIN=a b\nSPIFFE_ENDPOINT_SOCKET=tcp://1.2.3.4:1\nSTATE_DIR=here\nHEALTH_ADDR=9465\n"), 0o600))
	for program, id := range map[string]string{"grpcconnector": "connector_id", "grpctunneler": "tunneler_id"} {
		for _, command := range []string{"run", "check-config"} {
			text := strings.ToLower(s.fails(2, program, nil, command, "--config", conf))
			for _, key := range []string{id, "trust_domain", "spiffe_endpoint_socket", "state_dir", "health_addr", "controller_addr"} {
				require.Contains(t, text, key, "%s %s", program, command)
			}
		}
		text := s.fails(2, program, []string{strings.ToUpper(id) + "=-bad", "TRUST_DOMAIN=a/b"}, "enroll", "--token-file", "-")
		for _, key := range []string{strings.ToUpper(id), "CONTROLLER_ADDR", "CONTROLLER_CA_PATH", "TRUST_DOMAIN"} {
			require.Contains(t, text, key, "%s enroll", program)
		}
		require.Contains(t, s.fails(2, program, nil, "run", "--config", filepath.Join(s.dir, "nothing.conf")), "nothing.conf")
		require.Contains(t, s.fails(1, program, nil, "agent", "run", "--host-dir", s.dir), "is this host enrolled?")
		require.Contains(t, s.fails(2, program, nil, "runn"), "--help")
	}
}

func TestAStartThatCannotSucceedSaysWhatToCheck(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	for flag, key := range map[string]string{
		"--listen-enrollment": "listen.enrollment", "--listen-control": "listen.control", "--listen-admin": "listen.admin",
		"--listen-health": "listen.health", "--spire-server-listen": "spire.server_listen",
	} {
		taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		text := s.fails(1, "grpccontroller", nil, s.serve(flag, taken.Addr().String())...)
		require.Contains(t, text, key)
		require.Contains(t, text, "address already in use")
		require.NoError(t, taken.Close())
	}

	file := filepath.Join(s.dir, "a-file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Contains(t, s.fails(1, "grpccontroller", nil, s.serve("--data-dir", file)...), "data_dir")
	require.Contains(t, s.fails(1, "grpccontroller", nil, s.serve("--data-dir", "/proc/grpccontroller")...), "data_dir")
	require.Contains(t, s.fails(1, "grpccontroller", nil, s.serve("--data-dir", s.Dir)...), "in use by another grpccontroller")
	require.NoError(t, s.Ready(t.Context()), "the first one goes on")
	s.cli("connectors", "list") // and keeps its local admin socket
	require.Contains(t, s.fails(1, "grpccontroller", nil, s.serve("--data-dir", filepath.Join(s.dir, strings.Repeat("long", 30)))...), "bytes")

	old := filepath.Join(s.dir, "old-spire")
	hosttest.WriteProgram(t, old, "#!/bin/sh\necho 1.14.5\n")
	for variable, oldest := range map[string]string{"SPIRE_SERVER_BIN": "1.15.3", "SPIRE_AGENT_BIN": "1.15.2"} {
		text := s.fails(1, "grpccontroller", []string{variable + "=" + old}, s.serve()...)
		require.Contains(t, text, "1.14.5")
		require.Contains(t, text, oldest+" or newer is needed")
		require.Contains(t, s.fails(1, "grpccontroller", []string{variable + "=/nowhere"}, s.serve()...), variable)
	}
	text := s.fails(1, "grpccontroller", nil, s.serve("--spire-mode", "external", "--spire-server-socket", filepath.Join(s.dir, "no.sock"),
		"--spire-server-address", "127.0.0.1:1")...)
	require.Contains(t, text, "is spire-server running")

	// Enrollment with what an operator gets wrong.
	enroll := func(env ...string) string {
		all := append([]string{
			"CONTROLLER_ADDR=" + s.Run.Enrollment, "CONTROLLER_CA_PATH=" + s.Run.CA, "CONNECTOR_ID=c-01", "ENROLLMENT_TOKEN=" + s.token("connector", "c-01").Token,
		}, env...)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		r, err := world.Run(ctx, world.Spec{
			Name: "enroll", Dir: s.dir, Path: filepath.Join(s.Bin, "grpcconnector"), Args: []string{"enroll", "--conf", filepath.Join(s.dir, "c.conf"), "--host-dir", filepath.Join(s.dir, "host")}, Env: all,
		}, "")
		require.NoError(t, err)
		require.Equal(t, 1, r.Code, "%v: %s", env, r.Stderr)
		s.said.WriteString(r.Stderr)
		return r.Stderr
	}
	require.Contains(t, enroll("CONTROLLER_CA_PATH="+file), "CONTROLLER_CA_PATH")
	require.Contains(t, enroll("CONTROLLER_CA_PATH="+filepath.Join(s.Dir, "bootstrap", "ca.key")), "PRIVATE KEY")
	require.Contains(t, enroll("TRUST_DOMAIN=other.internal"), "TRUST_DOMAIN")
	require.NotContains(t, enroll("CONTROLLER_ADDR="+s.Run.Control), "goroutine")

	r, err := s.CLI(t.Context(), "token", "create", "--kind", "connector", "--id", "Bad_Id")
	require.NoError(t, err)
	require.Equal(t, 2, r.Code)
	require.Contains(t, r.Stderr, "--id")
	for _, ttl := range []string{"59s", "24h1s", "0", "-5m", "soon"} {
		r, err := s.CLI(t.Context(), "token", "create", "--kind", "connector", "--id", "c-01", "--ttl", ttl)
		require.NoError(t, err)
		require.Equal(t, 2, r.Code, ttl)
		require.Contains(t, r.Stderr, "--ttl")
	}
}

func TestAConnectorWithoutAWorkloadAPIWaitsAndSaysSo(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector := s.host("a", "connector", "c-01")
	s.enroll(connector)
	require.NoError(t, connector.StartProgram())
	s.logged(connector.Program, "waiting for the workload api socket, is the agent running?")
	var health string
	s.eventually(soon, "run.json", func(context.Context) error {
		at, err := connector.Addresses()
		health = at.Health
		return err
	})
	status, text := s.get("http://" + health + "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "[-] identity: waiting for the first X509-SVID")
	status, _ = s.get("http://" + health + "/livez")
	require.Equal(t, http.StatusOK, status, "waiting is no reason to restart it")

	// It needs no restart when the agent comes.
	require.NoError(t, connector.StartAgent())
	s.online(connector)
	s.eventually(soon, "ready", func(ctx context.Context) error { return world.Readyz(ctx, health) })
	code, err := connector.Program.Stop()
	require.NoError(t, err)
	require.Zero(t, code)

	waiting := s.host("b", "connector", "c-02")
	s.enroll(waiting)
	require.NoError(t, waiting.StartProgram())
	s.logged(waiting.Program, "is the agent running?")
	code, err = waiting.Program.Stop()
	require.NoError(t, err)
	require.Zero(t, code, "also while it waits")
}

func TestSIGTERMStopsTheControllerAndItsChildren(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector := s.join("a", "connector", "c-01")
	s.join("b", "tunneler", "t-01")
	children := world.Children(s.PID())
	require.Len(t, children, 2)
	begin := time.Now()
	require.NoError(t, s.Signal(syscall.SIGTERM))
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Fatalf("still running after 10 s: %s", s.Tail(10))
	}
	t.Logf("stopped in %.1f s", time.Since(begin).Seconds())
	code, err := s.Stop()
	require.NoError(t, err)
	require.Zero(t, code)
	for _, pid := range children {
		require.Empty(t, world.Program(pid), "a child is left")
	}
	// The same start works again, and everybody comes back.
	begin = time.Now()
	require.NoError(t, s.Start(t.Context()))
	s.back(connector, begin)

	for _, p := range []*world.Process{connector.Agent, connector.Program} {
		children := world.Children(p.PID())
		code, err := p.Stop()
		require.NoError(t, err)
		require.Zero(t, code, "%s", p.Name)
		gone(t, children)
	}
	s.eventually(5*time.Second, "a connector that stops is OFFLINE at once", func(ctx context.Context) error { return s.isOffline(ctx, connector) })
	// When it was seen last is known after the next start too.
	last := s.seen(connector)
	code, err = s.Stop()
	require.NoError(t, err)
	require.Zero(t, code)
	require.NoError(t, s.Start(t.Context()))
	require.WithinDuration(t, last.LastSeen, s.seen(connector).LastSeen, time.Second)
	require.Equal(t, last.Version, s.seen(connector).Version)
}

// get asks a health listener.
func (s *system) get(url string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	require.NoError(s.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err, fmt.Sprint(url))
	return resp.StatusCode, string(body)
}
