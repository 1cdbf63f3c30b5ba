package hostagent_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

const patience = 30 * time.Second

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// world is what a host sees: a controller that answers fetches and the address
// of a SPIRE server.
type world struct {
	mu      sync.Mutex
	bundle  hostagent.Bundle
	err     error
	fetches int
}

func (w *world) fetch(context.Context) (hostagent.Bundle, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetches++
	return w.bundle, w.err
}

func (w *world) change(f func(*world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
}

// rounds waits until n more rounds of probes have begun.
func (w *world) rounds(t *testing.T, n int) {
	t.Helper()
	var from int
	w.change(func(w *world) { from = w.fetches })
	eventually(t, "rounds", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.fetches >= from+n
	})
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 10*time.Millisecond, what)
}

// listen is a SPIRE server as far as a TCP probe can tell.
func listen(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

type fixture struct {
	*hostagent.Supervisor
	dir   hostagent.Dir
	world *world
	stop  func()
}

// start runs a supervisor over the fake agent in a world that is fine.
func start(t *testing.T, change func(*hostagent.Host, *hostagent.Config, *world)) *fixture {
	t.Helper()
	return startUnready(t, change).ready(t)
}

// startUnready is start for a world that is not.
func startUnready(t *testing.T, change func(*hostagent.Host, *hostagent.Config, *world)) *fixture {
	t.Helper()
	dir := hostagent.Dir{Root: spiretest.TempDir(t)}
	w := &world{bundle: hostagent.Bundle{Authorities: []*x509.Certificate{spiretest.NewHostCA(t).Certificate}, ServerAddress: listen(t)}}
	host := hostagent.Host{HostID: identity.NewHostID(), TrustDomain: td, SPIREServerAddress: w.bundle.ServerAddress}
	cfg := hostagent.Config{
		Dir: dir, Agent: conf.Agent{SocketPath: filepath.Join(dir.Root, "public", "api.sock")}, AgentBinary: fakeAgent(t), Logger: zaptest.NewLogger(t, zaptest.Level(zap.InfoLevel)),
		Fetch: w.fetch, ProbeInterval: 20 * time.Millisecond, JitterCap: time.Millisecond,
		// A fake agent that is slow to start on a busy machine is not unhealthy: only the
		// test about that is impatient.
		Patience: patience,
	}
	if change != nil {
		change(&host, &cfg, w)
	}
	require.NoError(t, dir.WriteHost(host))
	return launch(t, cfg, w)
}

func runSupervisor(t *testing.T, cfg hostagent.Config, w *world) *fixture {
	t.Helper()
	return launch(t, cfg, w).ready(t)
}

func launch(t *testing.T, cfg hostagent.Config, w *world) *fixture {
	t.Helper()
	s, err := hostagent.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	f := &fixture{Supervisor: s, dir: cfg.Dir, world: w, stop: sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})}
	t.Cleanup(f.stop)
	return f
}

func (f *fixture) ready(t *testing.T) *fixture {
	t.Helper()
	eventually(t, "an agent that is ready", func() bool { return f.Reason() == "" })
	return f
}

// fakeAgent is a program that plays spire-agent.
func fakeAgent(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "spire-agent")
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", fakeVariable, self)
	hosttest.WriteProgram(t, path, script)
	return path
}

// starts returns one line per start of the fake agent.
func (f *fixture) starts(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir.Root, "starts"))
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

func (f *fixture) waitStarts(t *testing.T, n int) {
	t.Helper()
	eventually(t, "starts", func() bool { return len(f.starts(t)) >= n && f.Reason() == "" })
	require.Len(t, f.starts(t), n)
}

func TestLeavesAHealthyAgentAlone(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.world.rounds(t, 20)
	require.Len(t, f.starts(t), 1)
	require.Zero(t, f.Status().Restarts)
	info, err := os.Stat(filepath.Join(f.dir.Root, "public"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	for _, private := range []string{f.dir.AgentConf(), f.dir.HostFile()} {
		info, err := os.Stat(private)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestHealsAfterAnAbsence(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	rotated := spiretest.NewHostCA(t).Certificate
	f.world.change(func(w *world) { w.err = errors.New("no route to host") })
	f.world.rounds(t, 3)
	require.Len(t, f.starts(t), 1, "no restart while nothing can be fetched")
	f.world.change(func(w *world) {
		w.err = nil
		w.bundle.Authorities = []*x509.Certificate{rotated}
	})
	f.waitStarts(t, 2)
	require.Contains(t, f.starts(t)[1], "empty=true")
	require.Equal(t, hostagent.NetworkReturned, f.Status().LastReason)
	requireBundle(t, f.dir, rotated)
	f.world.rounds(t, 10)
	require.Len(t, f.starts(t), 2)
}

func requireBundle(t *testing.T, dir hostagent.Dir, want *x509.Certificate) {
	t.Helper()
	other := hostagent.Dir{Root: t.TempDir()}
	require.NoError(t, other.WriteBundle([]*x509.Certificate{want}))
	a, err := os.ReadFile(other.Bundle())
	require.NoError(t, err)
	b, err := os.ReadFile(dir.Bundle())
	require.NoError(t, err)
	require.Equal(t, string(a), string(b))
}

func TestStartsWithoutAController(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *hostagent.Host, _ *hostagent.Config, w *world) { w.err = errors.New("refused") })
	require.Len(t, f.starts(t), 1)
	require.ErrorContains(t, f.Status().FetchError, "refused")
	f.world.change(func(w *world) { w.err = nil })
	f.waitStarts(t, 2)
}

func TestFollowsTheServer(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	next := listen(t)
	f.world.change(func(w *world) { w.bundle.ServerAddress = next })
	f.waitStarts(t, 2)
	require.Equal(t, next+" empty=true", f.starts(t)[1])
	host, err := f.dir.ReadHost()
	require.NoError(t, err)
	require.Equal(t, next, host.SPIREServerAddress)
}

// TestTheControllerSaysHowOftenTheAgentAsks: from its next start on, and within bounds. No
// agent is restarted for it: its workloads would notice.
func TestTheControllerSaysHowOftenTheAgentAsks(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *hostagent.Host, _ *hostagent.Config, w *world) {
		w.bundle.SyncInterval = 1500 * time.Millisecond
	})
	asks := func() string {
		conf, err := os.ReadFile(f.dir.AgentConf())
		require.NoError(t, err)
		_, every, _ := strings.Cut(string(conf), "sync_interval = ")
		every, _, _ = strings.Cut(every, "\n")
		return every
	}
	require.Equal(t, `"1.5s"`, asks())
	starts := 1
	again := func() {
		next := listen(t)
		f.world.change(func(w *world) { w.bundle.ServerAddress = next })
		starts++
		f.waitStarts(t, starts)
	}
	for _, said := range []time.Duration{0, -time.Second, time.Millisecond, 5001 * time.Millisecond} {
		f.world.change(func(w *world) { w.bundle.SyncInterval = said })
		again()
		require.Equal(t, `"1.5s"`, asks(), said)
	}
	f.world.change(func(w *world) { w.bundle.SyncInterval = time.Second })
	f.world.rounds(t, 5)
	require.Len(t, f.starts(t), starts)
	again()
	require.Equal(t, `"1s"`, asks())
}

// TestStaysWithAServerThatAnswers: a controller that ran for a while with a wrong
// public address names a SPIRE server that is not there. The host keeps the one that
// works, in host.json too, and its agent does not notice.
func TestStaysWithAServerThatAnswers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	right := f.Status().ServerAddress
	f.world.change(func(w *world) { w.bundle.ServerAddress = "127.0.0.1:1" })
	f.world.rounds(t, 5)
	require.NoError(t, f.Status().FetchError)
	require.Empty(t, f.Reason())
	require.Equal(t, right, f.Status().ServerAddress)
	host, err := f.dir.ReadHost()
	require.NoError(t, err)
	require.Equal(t, right, host.SPIREServerAddress)
	f.world.change(func(w *world) { w.bundle.ServerAddress = right })
	f.world.rounds(t, 5)
	require.Len(t, f.starts(t), 1)
}

// TestKeepsTheControllersAddressOfAMove: set-controller writes host.json while the
// supervisor runs.
func TestKeepsTheControllersAddressOfAMove(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	host, err := f.dir.ReadHost()
	require.NoError(t, err)
	host.ControllerAddress = "ctl2.example.com:8443"
	require.NoError(t, f.dir.WriteHost(host))
	next := listen(t)
	f.world.change(func(w *world) { w.bundle.ServerAddress = next })
	f.waitStarts(t, 2)
	host, err = f.dir.ReadHost()
	require.NoError(t, err)
	require.Equal(t, "ctl2.example.com:8443", host.ControllerAddress)
	require.Equal(t, next, host.SPIREServerAddress)
}

func TestRefusesABadAnswerOfTheController(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]func(*hostagent.Bundle){
		"no authorities": func(b *hostagent.Bundle) { b.Authorities = nil },
		"no port":        func(b *hostagent.Bundle) { b.ServerAddress = "a" },
		"an injection":   func(b *hostagent.Bundle) { b.ServerAddress = "a b\":1" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil)
			before, err := os.ReadFile(f.dir.Bundle())
			require.NoError(t, err)
			f.world.change(func(w *world) { bad(&w.bundle) })
			eventually(t, "a fault", func() bool { return f.Status().FetchError != nil })
			after, err := os.ReadFile(f.dir.Bundle())
			require.NoError(t, err)
			require.Equal(t, string(before), string(after))
			require.Len(t, f.starts(t), 1)
		})
	}
}

// TestKeepsItsServerWhileTheControllerNamesNone: a controller without an address of
// its own is one that answers.
func TestKeepsItsServerWhileTheControllerNamesNone(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	before, err := f.dir.ReadHost()
	require.NoError(t, err)
	for _, refused := range []string{"", "127.0.0.1:8081"} {
		f.world.change(func(w *world) { w.bundle.ServerAddress, w.bundle.Refused = "", refused })
		f.world.rounds(t, 3)
		require.NoError(t, f.Status().FetchError)
		require.Equal(t, before.SPIREServerAddress, f.Status().ServerAddress)
		after, err := f.dir.ReadHost()
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
	require.Len(t, f.starts(t), 1)
}

func TestRestartsAnUnhealthyAgent(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *hostagent.Host, c *hostagent.Config, _ *world) { c.Patience = 300 * time.Millisecond })
	sick := filepath.Join(f.dir.Root, "sick")
	require.NoError(t, os.WriteFile(sick, nil, 0o600))
	eventually(t, "a reason for /readyz", func() bool { return strings.Contains(f.Reason(), "Workload API does not answer") })
	eventually(t, "a restart", func() bool { return f.Status().LastReason == hostagent.Unhealthy })
	require.NoError(t, os.Remove(sick))
	eventually(t, "health", func() bool { return f.Reason() == "" })
}

func TestNeverRestartsARunningEphemeralAgent(t *testing.T) {
	t.Parallel()
	f := start(t, func(h *hostagent.Host, c *hostagent.Config, _ *world) {
		h.Ephemeral = true
		spiretest.WriteFile(t, c.Dir.JoinToken(), []byte("token"))
	})
	f.world.change(func(w *world) { w.err = errors.New("gone") })
	f.world.rounds(t, 3)
	f.world.change(func(w *world) { w.err = nil; w.bundle.ServerAddress = listen(t) })
	f.world.rounds(t, 20)
	require.Len(t, f.starts(t), 1)
	require.Zero(t, f.Status().Restarts)
}

func TestStopsTheAgent(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.stop()
	require.Equal(t, proc.StateStopped, f.Status().Agent.State)
	require.Contains(t, f.Reason(), "stopped")
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := func(t *testing.T) hostagent.Config {
		dir := hostagent.Dir{Root: t.TempDir()}
		require.NoError(t, dir.WriteHost(hostagent.Host{HostID: identity.NewHostID(), TrustDomain: td, SPIREServerAddress: "a:1"}))
		return hostagent.Config{Dir: dir, Agent: conf.Agent{SocketPath: "/run/x.sock"}, AgentBinary: "/bin/true", Logger: zap.NewNop(), Fetch: (&world{}).fetch}
	}
	_, err := hostagent.New(good(t))
	require.NoError(t, err)
	for name, change := range map[string]func(*hostagent.Config){
		"a host that is not enrolled": func(c *hostagent.Config) { c.Dir.Root = "/does/not/exist" },
		"an unknown key":              func(c *hostagent.Config) { spiretest.WriteFile(t, c.Dir.HostFile(), []byte(`{"colour":"red"}`)) },
		"an invalid host":             func(c *hostagent.Config) { spiretest.WriteFile(t, c.Dir.HostFile(), []byte(`{}`)) },
		"a long socket path":          func(c *hostagent.Config) { c.Agent.SocketPath = "/" + strings.Repeat("x", 120) },
		"a missing program":           func(c *hostagent.Config) { c.AgentBinary = "/does/not/exist" },
		"no way to fetch":             func(c *hostagent.Config) { c.Fetch = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := good(t)
			change(&cfg)
			_, err := hostagent.New(cfg)
			require.Error(t, err)
		})
	}
}

func TestDir(t *testing.T) {
	t.Parallel()
	dir := hostagent.Dir{Root: filepath.Join(t.TempDir(), "host")}
	require.NoError(t, dir.Create())
	require.Error(t, hostagent.Dir{Root: "relative"}.Create())
	require.Error(t, dir.WriteBundle(nil), "an empty bundle")
}

func TestASupervisorWhoseRoundHangsIsNotAlive(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	f := start(t, func(_ *hostagent.Host, c *hostagent.Config, w *world) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
		w.err = errors.New("the controller is away")
	})
	f.world.rounds(t, 2)
	require.NoError(t, f.Alive(t.Context()), "what a round finds does not count")
	f.world.mu.Lock() // a fetch that ignores its deadline
	later.Store(int64(time.Minute))
	require.Eventually(t, func() bool { return f.Alive(t.Context()) != nil }, patience, time.Millisecond)
	f.world.mu.Unlock()
	require.Eventually(t, func() bool { return f.Alive(t.Context()) == nil }, patience, time.Millisecond)
}

// TestUnitsAreAttestedOnlyWhereTheHostSaysSo: the agent inside of the controller may
// not ask D-Bus, and logged an error for each process that asked it.
func TestUnitsAreAttestedOnlyWhereTheHostSaysSo(t *testing.T) {
	t.Parallel()
	for name, units := range map[string]bool{"of a host": true, "of the controller": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(_ *hostagent.Host, c *hostagent.Config, _ *world) { c.Agent.Systemd = units })
			text, err := os.ReadFile(f.dir.AgentConf())
			require.NoError(t, err)
			require.Contains(t, string(text), `WorkloadAttestor "unix"`)
			require.Equal(t, units, strings.Contains(string(text), `WorkloadAttestor "systemd"`))
		})
	}
}
