package hostcmd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
)

// startProgram serves the status of a tunneler "laptop" that runs, and writes the
// conf file that finds it.
func startProgram(t *testing.T, name string, fill func(*hostprogram.Document)) (conf string, checks *health.Checks) {
	t.Helper()
	s, err := health.New(health.Config{Listen: "127.0.0.1:0", Log: zap.NewNop()})
	require.NoError(t, err)
	hostprogram.Publish(s, hostprogram.Document{
		Program: name, Version: "v9", ID: "laptop", SPIFFEID: "spiffe://mycorp.internal/tunneler/laptop",
	}).Fill(fill)
	s.Checks().Set("identity", nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return writeConf(t, "HEALTH_ADDR="+s.Addr().String()), s.Checks()
}

func writeConf(t *testing.T, more ...string) string {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "tunneler.conf")
	lines := append([]string{
		"TUNNELER_ID=laptop", "CONTROLLER_ADDR=127.0.0.1:1", "SPIFFE_ENDPOINT_SOCKET=unix://" + t.TempDir() + "/api.sock", "HOST_DIR=" + t.TempDir(),
	}, more...)
	require.NoError(t, os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return conf
}

func someday(d *hostprogram.Document) {
	now := time.Now().UTC()
	d.SVID = &hostprogram.SVID{Serial: "abc", AuthorityID: "0123456789abcdef0123", NotAfter: now.Add(10 * time.Minute)}
	d.BundleAuthorityIDs = []string{"0123456789abcdef0123"}
	d.Controller = &hostprogram.Link{Connected: true, Address: "10.0.0.1:8444", Since: now.Add(-2 * time.Hour), HeartbeatAt: now.Add(-3 * time.Second)}
	d.Directory = &hostprogram.Directory{Revision: 12}
	d.Outage.WithoutSPIRE = now.Add(10*time.Minute + 30*time.Second)
	d.Sessions = []hostprogram.Session{
		{Peer: "gw", Connected: true, Address: "10.0.0.7:9443", Since: now.Add(-time.Hour)},
		{Peer: "gw2", Address: "10.0.0.8:9443", Since: now.Add(-time.Minute), Failure: "refused\x1b[2J\nready"},
	}
}

func TestStatusOfAProgramThatIsReady(t *testing.T) {
	t.Parallel()
	conf, _ := startProgram(t, "grpctunneler", someday)
	got := run("", "status", "--config", conf)
	require.Zero(t, got.code, got.stderr)
	for _, want := range []string{
		"grpctunneler laptop  ready\n", "spiffe://mycorp.internal/tunneler/laptop", "agent down: the socket does not exist",
		"v9, up for ", "left, until ", "authority 0123456789abcdef\n", "connected to 10.0.0.1:8444 since ", "(2h0m), last heartbeat 3s ago",
		"revision 12, from the controller", "gw connected to 10.0.0.7:9443", "gw2 not connected for 1m, last tried 10.0.0.8:9443: refused [2J ready",
		"without SPIRE for 10m", "ok    identity",
	} {
		require.Contains(t, got.stdout, want)
	}
	require.Regexp(t, `connected to 10\.0\.0\.1:8444 since \d{4}-\d\d-\d\dT[0-9:]{8}Z \(`, got.stdout, "a time has its zone")
	require.NotContains(t, got.stdout, "\x1b", "no colour in a file, and no control character of a peer")

	got = run("", "status", "--config", conf, "-o", "json")
	require.Zero(t, got.code)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &doc))
	require.Equal(t, true, doc["running"])
	program, ok := doc["program"].(map[string]any)
	require.True(t, ok)
	require.InDelta(t, 2, program["sessions_total"], 0)
	for _, key := range []string{
		"program", "version", "started_at", "process", "id", "spiffe_id", "ready", "checks", "svid", "bundle_authority_ids", "controller",
		"directory", "sessions", "outage",
	} {
		require.Contains(t, program, key)
	}
}

func TestStatusFails(t *testing.T) {
	t.Parallel()
	t.Run("while the program is not ready", func(t *testing.T) {
		t.Parallel()
		conf, checks := startProgram(t, "grpctunneler", func(*hostprogram.Document) {})
		checks.Set("session", errors.New("no connector"))
		got := run("", "status", "--config", conf)
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stdout, "FAILS session   no connector")
		require.Contains(t, got.stderr, "grpctunneler doctor")
	})
	t.Run("when the program does not run, and says how to start it", func(t *testing.T) {
		t.Parallel()
		conf := writeConf(t, "HEALTH_ADDR=127.0.0.1:1")
		got := run("", "status", "--config", conf)
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stdout, "not running")
		require.Contains(t, got.stderr, "does not answer at 127.0.0.1:1 (nothing listens there: connection refused): start it with `")
		require.NotContains(t, got.stderr, "Get \"http")
		require.NotContains(t, got.stderr, "name it with --config", "it is named")
		got = run("", "status", "--config", conf, "-o", "json")
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stdout, `"running": false`)
		require.Contains(t, got.stdout, `"failure": "`)
	})
	t.Run("when another program answers", func(t *testing.T) {
		t.Parallel()
		conf, _ := startProgram(t, "grpcconnector", func(*hostprogram.Document) {})
		got := run("", "status", "--config", conf)
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stderr, "another program answers there")
	})
	t.Run("when another tunneler answers", func(t *testing.T) {
		t.Parallel()
		conf, _ := startProgram(t, "grpctunneler", func(*hostprogram.Document) {})
		got := run("", "status", "--config", conf, "--tunneler-id", "desktop")
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stderr, `tunneler "laptop", and the conf file is for "desktop"`)
	})
	t.Run("when the program of the default conf file does not run", func(t *testing.T) {
		t.Parallel()
		got := run("", "status", "--tunneler-id", "laptop", "--controller-addr", "127.0.0.1:1")
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stderr, "if it uses another conf file, name it with --config")
	})
	t.Run("without a conf file", func(t *testing.T) {
		t.Parallel()
		got := run("", "status")
		require.Equal(t, 2, got.code)
		require.Contains(t, got.stderr, "/nonexistent/tunneler.conf: does not exist: if this host is enrolled, name its conf file with --config; if not, enroll it")
		require.Contains(t, got.stderr, "CONTROL_PLANE_ADDRS: is missing")
	})
}

func TestStatusFindsAProgramThatChoseItsPort(t *testing.T) {
	t.Parallel()
	conf, _ := startProgram(t, "grpctunneler", func(*hostprogram.Document) {})
	text, err := os.ReadFile(conf)
	require.NoError(t, err)
	_, addr, _ := strings.Cut(string(text), "HEALTH_ADDR=")
	state := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(state, "run.json"), fmt.Appendf(nil, `{"health":%q}`, strings.TrimSpace(addr)), 0o600))
	got := run("", "status", "--config", conf, "--health-addr", "127.0.0.1:0", "--state-dir", state)
	require.Zero(t, got.code, got.stderr)
	got = run("", "status", "--config", conf, "--health-addr", "127.0.0.1:0", "--state-dir", t.TempDir())
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "writes while it runs")
}

func TestDoctorReports(t *testing.T) {
	t.Parallel()
	conf, _ := startProgram(t, "grpctunneler", someday)
	got := run(unknownToken+"\n", "doctor", "--config", conf, "--token-file", "-")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stdout, "ok       conf              "+conf+" is readable and valid")
	require.Contains(t, got.stdout, "FAULT    port              enrollment listener of the controller: dial tcp 127.0.0.1:1")
	require.Contains(t, got.stdout, "do: the machine answers but nothing listens there")
	require.Contains(t, got.stdout, "ok       token")
	require.NotContains(t, got.stdout+got.stderr, unknownToken)
	require.Regexp(t, `faults found: \d`, got.stderr)

	got = run("", "doctor", "--config", conf, "-o", "json")
	require.Equal(t, 1, got.code)
	var r struct {
		Healthy  bool
		Findings []struct{ Check, Level, Found, Do string }
	}
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &r))
	require.False(t, r.Healthy)
	for _, f := range r.Findings {
		require.NotEmpty(t, f.Check)
		require.NotEmpty(t, f.Found)
		if f.Level == "fault" || f.Level == "warning" {
			require.NotEmpty(t, f.Do, "%+v", f)
		}
	}

	require.NoError(t, os.WriteFile(conf, []byte("CONTROLLER_ADDR=nonsense\nNO_SUCH_KEY=1\n"), 0o600))
	got = run("", "doctor", "--config", conf)
	require.Equal(t, 1, got.code, "a wrong conf file is a finding, no wrong usage")
	require.Contains(t, got.stdout, "FAULT    conf")
	require.Contains(t, got.stdout, "check-config --config "+conf)
}
