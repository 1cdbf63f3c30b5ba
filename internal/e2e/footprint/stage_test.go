package footprint_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
)

// stage is a controller and the hosts that are measured.
type stage struct {
	*worldtest.World
	t *testing.T
}

// newStage starts a controller that has enrolled some tunnelers which exist in its
// store alone.
func newStage(t *testing.T, tunnelers int, flags ...string) *stage {
	t.Helper()
	s := &stage{World: worldtest.New(t, append([]string{"--log-level", "warn", "--spire-attestation-limit=false"}, flags...)...), t: t}
	bulk.Enroll(t, s.Controller, identity.KindTunneler, tunnelers)
	s.Connect()
	return s
}

func (s *stage) eventually(what string, check func(context.Context) error) {
	s.t.Helper()
	require.NoError(s.t, world.Eventually(s.t.Context(), time.Minute, what, check))
}

// scrape asks a program for its metrics, as Prometheus does.
func (s *stage) scrape(ctx context.Context, h *world.Host) (telemetrytest.Families, error) {
	at, err := h.Addresses()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.Health+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return telemetrytest.ParseMetrics(resp.Body)
}

// value waits until a metric of a program is at least want, and returns it.
func (s *stage) value(h *world.Host, name string, want float64) float64 {
	s.t.Helper()
	var got float64
	s.eventually(h.ID+" "+name, func(ctx context.Context) error {
		all, err := s.scrape(ctx, h)
		if err != nil {
			return err
		}
		var ok bool
		if got, ok = all.Value(name, nil); !ok || got < want {
			return fmt.Errorf("%s is %v, not %v", name, got, want)
		}
		return nil
	})
	return got
}

// subject is a process to measure.
type subject struct {
	name     string
	pid      int
	host     *world.Host // nil: it has no metrics of ours
	promised bool
}

func ours(name string, h *world.Host) subject {
	return subject{name: name, pid: h.Program.PID(), host: h, promised: true}
}

// scrapeEvery is Prometheus' usual interval. A program that nobody looks at is not
// what is deployed.
const scrapeEvery = 15 * time.Second

// pass lets time pass, in which the programs of ours are scraped.
func (s *stage) pass(during time.Duration, all []subject) {
	s.t.Helper()
	end := time.NewTimer(during)
	defer end.Stop()
	scrape := time.NewTicker(scrapeEvery)
	defer scrape.Stop()
	for {
		select {
		case <-end.C:
			return
		case <-scrape.C:
			for _, x := range all {
				if x.host != nil {
					_, err := s.scrape(s.t.Context(), x.host)
					require.NoError(s.t, err)
				}
			}
		}
	}
}

// measure looks at all processes before and after the same stretch of time.
func (s *stage) measure(during time.Duration, all ...subject) (rows []row) {
	s.t.Helper()
	before := make([]usage, len(all))
	for i, x := range all {
		var err error
		before[i], err = usageOf(x.pid)
		require.NoError(s.t, err, x.name)
	}
	begin := time.Now()
	s.pass(during, all)
	took := time.Since(begin).Seconds()
	for i, x := range all {
		after, err := usageOf(x.pid)
		require.NoError(s.t, err, x.name)
		program, err := os.Stat(fmt.Sprintf("/proc/%d/exe", x.pid))
		require.NoError(s.t, err, x.name)
		r := row{
			Program: x.name, usage: after, Promised: x.promised, Binary: uint64(program.Size()),
			CPU: 100 * (after.cpu - before[i].cpu).Seconds() / took, Wakes: float64(after.wakes-before[i].wakes) / took,
		}
		if x.host != nil {
			r.Goroutines = int(s.value(x.host, "go_goroutines", 1))
		}
		rows = append(rows, r)
	}
	return rows
}

// agentOf is the spire-agent of a host.
func (s *stage) agentOf(h *world.Host) subject {
	s.t.Helper()
	for _, pid := range world.Children(h.Agent.PID()) {
		if world.Program(pid) == "spire-agent" {
			return subject{name: "spire-agent beside it", pid: pid}
		}
	}
	s.t.Fatal("the host runs no spire-agent")
	return subject{}
}

// idleGRPC builds and starts the smallest gRPC server, with the flags of make build.
func (s *stage) idleGRPC() subject {
	s.t.Helper()
	_, file, _, _ := runtime.Caller(0)
	path := s.Path("idlegrpc")
	build := exec.CommandContext(s.t.Context(), "go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", path, "./idlegrpc")
	build.Dir, build.Env = filepath.Dir(file), append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	idle := exec.CommandContext(s.t.Context(), path)
	stdin, err := idle.StdinPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, idle.Start())
	s.t.Cleanup(func() {
		_ = stdin.Close()
		_ = idle.Wait()
	})
	return subject{name: "smallest gRPC server", pid: idle.Process.Pid}
}

// spin says how fast one core is: what it hashes in a second of CPU.
func spin(t *testing.T) (mibPerSecond float64) {
	t.Helper()
	begin, err := world.CPUTime(os.Getpid())
	require.NoError(t, err)
	block, blocks := make([]byte, 1<<20), 0
	for {
		_ = sha256.Sum256(block)
		blocks++
		now, err := world.CPUTime(os.Getpid())
		require.NoError(t, err)
		if spent := now - begin; spent >= time.Second {
			return float64(blocks) / spent.Seconds()
		}
	}
}
