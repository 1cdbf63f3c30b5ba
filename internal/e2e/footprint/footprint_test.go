package footprint_test

import (
	"debug/buildinfo"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// full is set by make bench-footprint. Without it the same limits are held after a
// shorter look, for CI.
var (
	full    = flag.Bool("full", false, "measure a minute after rotations, then with more sessions")
	jsonOut = flag.String("json", "", "also write what was measured to this file")
)

// length is how long a run looks.
type length struct {
	settle, idle, crowded time.Duration
	swaps                 float64 // X509-SVIDs that each program has had before it counts as settled
	tunnelers             int     // with one connector
}

var (
	// Rotations come thirty and five times as often as they do by default, so what is
	// measured holds two of them, and their re-proofs, where a real minute has none.
	fullLength  = length{settle: 45 * time.Second, idle: time.Minute, crowded: 30 * time.Second, swaps: 2, tunnelers: 50}
	shortLength = length{settle: 3 * time.Second, idle: 12 * time.Second, swaps: 1}
)

const shortLife = "1m" // SPIRE renews at half of it

func TestAnIdleConnectorAndTunnelerAreSmall(t *testing.T) {
	l := shortLength
	if *full {
		l = fullLength
	}
	s := newStage(t, l.tunnelers, "--svid-ttl-connector", shortLife, "--svid-ttl-tunneler", shortLife)
	connector := s.Join("connector-a", "connector", "connector-a")
	tunneler := s.Join("laptop", "tunneler", "laptop")
	subjects := []subject{
		ours("connector", connector), ours("tunneler", tunneler),
		{name: "supervisor of spire-agent", pid: connector.Agent.PID()},
		s.agentOf(connector), s.idleGRPC(),
	}
	s.pass(l.settle, subjects)
	for _, h := range []*world.Host{connector, tunneler} {
		s.value(h, "zerotrust_sessions", 1)
		s.value(h, "zerotrust_svid_swaps_total", l.swaps)
	}
	rows := s.measure(l.idle, subjects...)
	perSession := ""
	if l.crowded > 0 {
		more := s.crowded(l, connector, tunneler)
		perSession = slope(l.tunnelers/2, rows[0], more[0], more[1])
		rows = append(rows, more...)
	}
	t.Logf("%.0f s idle, a heartbeat every 10 s, a scrape every 15 s, an X509-SVID every 30 s; one core hashes %.0f MiB/s (SHA-256)\n%s%s",
		l.idle.Seconds(), spin(t), table(rows), perSession)
	if *jsonOut != "" {
		raw, err := json.MarshalIndent(rows, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(*jsonOut, append(raw, '\n'), 0o644))
	}
	for _, r := range rows {
		if r.Promised {
			require.NoError(t, r.broken())
		}
	}
}

// crowded measures a tunneler with two connectors, and a connector with ever more
// sessions. No limit is for these.
func (s *stage) crowded(l length, connector, tunneler *world.Host) (rows []row) {
	s.t.Helper()
	s.Join("connector-b", "connector", "connector-b")
	s.value(tunneler, "zerotrust_sessions", 2)
	signer := bulk.NewSigner(s.t, s.Controller)
	half := l.tunnelers / 2
	s.attach(signer, connector, 0, half)
	s.value(connector, "zerotrust_sessions", float64(half+1))
	some := informational(fmt.Sprintf("connector, %d sessions", half+1), connector)
	rows = s.measure(heartbeat, some)
	s.attach(signer, connector, half, l.tunnelers)
	s.value(connector, "zerotrust_sessions", float64(l.tunnelers+1))
	return append(rows, s.measure(l.crowded,
		informational(fmt.Sprintf("connector, %d sessions", l.tunnelers+1), connector), informational("tunneler, 2 connectors", tunneler))...)
}

func informational(name string, h *world.Host) subject {
	x := ours(name, h)
	x.promised = false
	return x
}

// TestTheLimitsAreLimits proves that the measurement can fail.
func TestTheLimitsAreLimits(t *testing.T) {
	t.Parallel()
	good := row{usage: usage{RSS: maxRSS}, CPU: maxCPU, Binary: maxBinary}
	require.NoError(t, good.broken())
	for _, bad := range []row{
		{usage: usage{RSS: maxRSS + 1}},
		{CPU: maxCPU * 1.01},
		{Binary: maxBinary + 1},
	} {
		require.Error(t, bad.broken())
	}
}

// TestProgramsAreBuiltWithoutWhatNobodyUses looks for the tag that leaves out gRPC's
// own tracing page: it brings in templates, which call methods by their names, so
// that the linker has to keep every method there is: 3 MB of program, and of memory.
func TestProgramsAreBuiltWithoutWhatNobodyUses(t *testing.T) {
	t.Parallel()
	bin, err := world.Programs()
	require.NoError(t, err)
	for _, program := range []string{"grpccontroller", "grpcconnector", "grpctunneler", "host-agent"} {
		info, err := buildinfo.ReadFile(filepath.Join(bin, program))
		require.NoError(t, err)
		tags := ""
		for _, s := range info.Settings {
			if s.Key == "-tags" {
				tags = s.Value
			}
		}
		require.Equal(t, "grpcnotrace", tags, program)
	}
}
