package flood_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/flood"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// size of an attack.
type size struct {
	attackers, connections, resets int // connections and resets of all attackers
	calls                          time.Duration
	poisoned, enrollments          int
	quantile                       float64 // of the enrollments that the limit is for
}

var (
	bench = size{attackers: 4, connections: 20_000, resets: 100_000, calls: 10 * time.Second, poisoned: 100, enrollments: 60, quantile: .99}
	short = size{attackers: 2, connections: 3_000, resets: 20_000, calls: 2 * time.Second, poisoned: 10, enrollments: 12, quantile: .5}
)

// The limits.
const (
	honest       = 20
	slowdown     = 2 // of an enrollment, to what it takes without the flood
	mostMemory   = 400 << 20
	mostRows     = 100
	slowestAlive = 5 * time.Second // of /readyz and the command line
)

// TestAFloodHurtsNobody attacks a running controller and looks at everybody else.
func TestAFloodHurtsNobody(t *testing.T) {
	n := short
	if *full {
		n = bench
	}
	s := newSite(t, n)
	quiet := s.enroll(t, n.enrollments)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var peers sync.WaitGroup
	var broken, poisoned atomic.Int64
	keepHonest(ctx, &peers, tunnelers(t, s.signer, s.at, 0, honest), &broken)
	require.NoError(t, world.Eventually(ctx, time.Minute, "honest sessions are up", func(context.Context) error {
		if up := len(s.relay.Sessions()); up < honest {
			return fmt.Errorf("%d of %d", up, honest)
		}
		return nil
	}))
	evil := tunnelers(t, s.signer, s.at, honest, n.poisoned)
	before := s.rows(t)
	watched := s.watch(ctx, &peers)
	stop := s.attack(t, n)
	poison(ctx, &peers, evil, &poisoned)
	flooded := s.enroll(t, n.enrollments)
	done := stop()
	linked := s.relay.ControlReady(t.Context())
	cancel()
	peers.Wait()
	rows := s.rows(t) - before
	// Before and after: what else runs on the machine changes meanwhile.
	quiet = append(quiet, s.enroll(t, n.enrollments)...)
	s.report(t, []row{
		{"connections opened", fmt.Sprint(done.Connections), fmt.Sprintf(">= %d", n.connections), done.Connections >= int64(n.connections)},
		{"streams reset", fmt.Sprint(done.Reset), fmt.Sprintf(">= %d", n.resets), done.Reset >= int64(n.resets)},
		{"calls tried", fmt.Sprint(done.Calls), "", true},
		{"poisoned heartbeats", fmt.Sprint(poisoned.Load()), fmt.Sprintf(">= %d", n.poisoned), poisoned.Load() >= int64(n.poisoned)},
		s.enrollment(.5, n, quiet, flooded),
		s.enrollment(.99, n, quiet, flooded),
		{"slowest /readyz", watched.health.String(), "<= " + slowestAlive.String(), watched.health <= slowestAlive},
		{"slowest command line", watched.cli.String(), "<= " + slowestAlive.String(), watched.cli <= slowestAlive},
		{"faults of them", fmt.Sprint(watched.faults), "0", len(watched.faults) == 0},
		{"honest sessions broken", fmt.Sprint(broken.Load()), "0", broken.Load() == 0},
		{"connector linked", fmt.Sprint(linked == nil), "true", linked == nil},
		{"controller's memory, MiB", fmt.Sprint(watched.memory >> 20), fmt.Sprintf("<= %d", mostMemory>>20), watched.memory <= mostMemory},
		{"audit rows of the flood", fmt.Sprint(rows), fmt.Sprintf("< %d", mostRows), rows < mostRows},
	})
}

// row of the table that is printed.
type row struct {
	what, measured, limit string
	ok                    bool
}

// enrollment is limited at one quantile: a dozen of them have no p99.
func (s *site) enrollment(q float64, n size, quiet, flooded []time.Duration) row {
	before, during := quantile(quiet, q), quantile(flooded, q)
	r := row{what: fmt.Sprintf("enrollment p%.0f, quiet and flooded", 100*q), measured: before.String() + " " + during.String(), ok: true}
	if q == n.quantile {
		r.limit, r.ok = fmt.Sprintf("<= %dx", slowdown), during <= slowdown*before
	}
	return r
}

func (s *site) report(t *testing.T, rows []row) {
	t.Helper()
	var b strings.Builder
	for _, r := range rows {
		verdict := "ok"
		if !r.ok {
			verdict = "MISSED"
		}
		fmt.Fprintf(&b, "%-36s %-32s %-12s %s\n", r.what, r.measured, r.limit, verdict)
	}
	t.Log("\n" + b.String())
	for _, r := range rows {
		assert.True(t, r.ok, "%s: %s, limit %s", r.what, r.measured, r.limit)
	}
}

func quantile(all []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(time.Millisecond)
}

// site is a controller, a connector, and who is enrolled.
type site struct {
	*world.Controller

	dir    string
	api    *adminclient.Client
	signer *bulk.Signer
	relay  *relay.Relay
	at     net.Addr
	ids    atomic.Int64
}

func newSite(t *testing.T, n size) *site {
	t.Helper()
	bin, err := world.Programs()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "zt") //nolint:usetesting // t.TempDir's path is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	s := &site{Controller: world.NewController(bin, filepath.Join(dir, "c"), "--log-level", "info"), dir: dir}
	bulk.EnrollAll(t, s.Controller, map[identity.Kind]int{identity.KindConnector: 1, identity.KindTunneler: honest + n.poisoned})
	s.api = s.Client()
	s.signer = bulk.NewSigner(t, s.Controller)
	s.relay, s.at = gateway(t, s.Controller, s.signer)
	return s
}

// watched is what somebody else saw during the flood.
type watched struct {
	health, cli time.Duration // the slowest
	memory      int64         // the most, resident
	faults      []string
}

// watch looks until ctx ends, and is complete when g is over.
func (s *site) watch(ctx context.Context, g *sync.WaitGroup) *watched {
	w := &watched{}
	var mu sync.Mutex
	loop := func(every time.Duration, slowest *time.Duration, what func(context.Context) error) {
		g.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for ctx.Err() == nil {
				begin := time.Now()
				err := what(ctx)
				mu.Lock()
				if ctx.Err() == nil && err != nil {
					w.faults = append(w.faults, err.Error())
				} else if ctx.Err() == nil {
					*slowest = max(*slowest, time.Since(begin).Round(time.Millisecond))
				}
				mu.Unlock()
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	var sampling time.Duration
	loop(200*time.Millisecond, &w.health, s.Ready)
	loop(time.Second, &w.cli, func(ctx context.Context) error {
		r, err := s.CLI(ctx, "connectors", "list")
		if err == nil && r.Code != 0 {
			err = fmt.Errorf("connectors list: exit %d: %s", r.Code, r.Stderr)
		}
		return err
	})
	loop(100*time.Millisecond, &sampling, func(context.Context) error {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.PID()))
		var size, resident int64
		if err == nil {
			_, err = fmt.Sscan(string(b), &size, &resident)
		}
		mu.Lock()
		defer mu.Unlock()
		w.memory = max(w.memory, resident*int64(os.Getpagesize()))
		return err
	})
	return w
}

// rows counts what refused callers have caused to be written: all that is no success.
func (s *site) rows(t *testing.T) int {
	t.Helper()
	events, err := s.api.AuditEvents(t.Context(), adminclient.AuditFilter{Outcome: "denied"}, 10_000)
	require.NoError(t, err)
	return len(events)
}

// enroll enrolls n new hosts, three at a time, and tells how long each took.
func (s *site) enroll(t *testing.T, n int) []time.Duration {
	t.Helper()
	anchors, err := bootstrap.LoadAnchors(s.Run.CA)
	require.NoError(t, err)
	took := make([]time.Duration, n)
	var next atomic.Int64
	var g sync.WaitGroup
	for range 3 {
		g.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				took[i] = s.enrollOne(t, fmt.Sprintf("new-%d", s.ids.Add(1)), &enrollclient.Config{Address: s.Run.Enrollment, Anchors: anchors, TrustDomain: td})
			}
		})
	}
	g.Wait()
	return took
}

func (s *site) enrollOne(t *testing.T, id string, cfg *enrollclient.Config) time.Duration {
	token, err := s.api.CreateToken(t.Context(), adminapi.TokenRequest{Kind: "connector", ID: id})
	if !assert.NoError(t, err) {
		return time.Hour
	}
	secret, err := enrollclient.NewToken(token.Token)
	assert.NoError(t, err)
	retrying := *cfg
	retrying.Progress = func(text string) {
		if strings.Contains(text, "retrying") {
			fmt.Fprintln(os.Stderr, id, text)
		}
	}
	c, err := enrollclient.New(retrying)
	assert.NoError(t, err)
	begin := time.Now()
	_, err = c.Enroll(t.Context(), enrollclient.Request{
		Token: secret, Workload: identity.Workload{Kind: identity.KindConnector, ID: id}, Dir: hostagent.Dir{Root: filepath.Join(s.dir, id)},
		Facts: &zerotrustv1.HostFacts{BinaryPath: "/usr/bin/grpcconnector", Uid: 1000, Hostname: id, Version: "v1"},
	})
	assert.NoError(t, err)
	return time.Since(begin)
}

// attack starts the attackers. stop ends them and adds up what they did.
func (s *site) attack(t *testing.T, n size) (stop func() flood.Done) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	type attacker struct {
		cmd *exec.Cmd
		in  io.Closer
		out strings.Builder
	}
	all := make([]*attacker, n.attackers)
	for i := range all {
		per := n.connections / n.attackers
		arg, err := json.Marshal(flood.Attack{
			Target: s.Run.Enrollment, CA: s.Run.CA, TrustDomain: td.Name(), From: []string{fmt.Sprintf("127.0.1.%d", 2*i+1), fmt.Sprintf("127.0.1.%d", 2*i+2)},
			Silent: per * 3 / 4, Shaken: per / 4, Refresh: 10 * time.Millisecond, Resets: n.resets / n.attackers, Calls: n.calls, Callers: 4,
		})
		require.NoError(t, err)
		a := &attacker{cmd: exec.CommandContext(t.Context(), "nice", "-n", "19", self)}
		a.cmd.Env = append(world.Environment(), attackEnv+"="+string(arg))
		a.cmd.Stdout, a.cmd.Stderr = &a.out, os.Stderr
		a.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
		a.in, err = a.cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, a.cmd.Start())
		all[i] = a
	}
	begin := time.Now()
	return func() (sum flood.Done) {
		// What is enrolled meanwhile may be quicker than the attack.
		for left := n.calls - time.Since(begin); left > 0; left = 0 {
			<-time.After(left)
		}
		for _, a := range all {
			_ = a.in.Close()
		}
		for _, a := range all {
			assert.NoError(t, a.cmd.Wait())
			var d flood.Done
			if assert.NoError(t, json.Unmarshal([]byte(a.out.String()), &d)) {
				sum.Opened, sum.Reset, sum.Calls, sum.Connections = sum.Opened+d.Opened, sum.Reset+d.Reset, sum.Calls+d.Calls, sum.Connections+d.Connections
			}
		}
		return sum
	}
}
