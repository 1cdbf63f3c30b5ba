package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// runningController answers health and has left run.json with this configuration.
func runningController(t *testing.T, change func(*config.Config)) (dir string, checks *health.Checks) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	s, err := health.New(health.Config{Listen: "127.0.0.1:0", Log: zap.NewNop()})
	require.NoError(t, err)
	s.Checks().Set("store", nil)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	cfg := config.Default()
	cfg.DataDir = dir
	change(&cfg)
	raw, err := json.Marshal(map[string]any{"health": s.Addr().String(), "config": cfg})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), raw, 0o600))
	return dir, s.Checks()
}

func examine(t *testing.T, args ...string) (all []doctor.Finding, of func(check string) string) {
	t.Helper()
	root := app.Root()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SilenceErrors, root.SilenceUsage = true, true
	conf := filepath.Join(t.TempDir(), "controller.yaml")
	require.NoError(t, os.WriteFile(conf, nil, 0o600))
	root.SetArgs(append([]string{"doctor", "-o", "json", "--config", conf}, args...))
	_ = root.ExecuteContext(t.Context()) // faults of this machine are no matter
	var r doctor.Report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r), out.String())
	return r.Findings, func(check string) string {
		var text strings.Builder
		for _, f := range r.Findings {
			if f.Check == check {
				text.WriteString(string(f.Level) + ": " + f.Found + "\n")
			}
		}
		return text.String()
	}
}

// TestDoctorJudgesTheControllerThatRuns: its flags are in no configuration file, and
// doctor called a controller healthy whose certificate had expired.
func TestDoctorJudgesTheControllerThatRuns(t *testing.T) {
	t.Parallel()
	noPEM := filepath.Join(t.TempDir(), "tls.crt")
	require.NoError(t, os.WriteFile(noPEM, []byte("no PEM"), 0o600))
	dir, checks := runningController(t, func(c *config.Config) {
		c.Admin.TLSCert, c.Admin.TLSKey, c.PublicAddress = noPEM, noPEM, "192.0.2.7"
	})
	checks.Set("audit_export", health.Degraded(os.ErrDeadlineExceeded))
	_, of := examine(t, "--data-dir", dir)
	require.Contains(t, of("admin_certificate"), "fault: ")
	require.Contains(t, of("public_address"), "192.0.2.7")
	require.Contains(t, of("conf"), "ok: the configuration is valid, but the running controller uses other values")
	require.Contains(t, of("conf"), "admin.tls_cert, admin.tls_key, public_address")
	require.Contains(t, of("program"), "warning: audit_export: ")

	_, of = examine(t, "--data-dir", dir, "--public-address", "192.0.2.9")
	require.Contains(t, of("public_address"), "192.0.2.9", "whoever gives a flag asks about it")
	require.Contains(t, of("admin_certificate"), "skipped: neither admin.tls_cert nor admin.acme.domains is set")
}

func TestDoctorHasTheConfigurationFileWhereNoControllerRuns(t *testing.T) {
	t.Parallel()
	dir, _ := runningController(t, func(c *config.Config) { c.PublicAddress = "192.0.2.7" })
	raw, err := json.Marshal(map[string]any{"health": "127.0.0.1:1", "config": config.Default()})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), raw, 0o600))
	_, of := examine(t, "--data-dir", dir)
	require.NotContains(t, of("conf"), "the running controller")
	require.Contains(t, of("program"), "fault: the controller does not answer")
}

// TestStatusOfNoControllerSaysWhereToLook: it may run with another data directory.
func TestStatusOfNoControllerSaysWhereToLook(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := command("status", "--listen-health", "127.0.0.1:1")
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "not running")
	require.Contains(t, stderr, "does not answer at 127.0.0.1:1 (nothing listens there: connection refused): if it runs with another configuration or data directory, name them with --config or --data-dir")
	_, _, stderr = command("status", "--listen-health", "127.0.0.1:1", "--data-dir", t.TempDir())
	require.NotContains(t, stderr, "name them with")
	require.Contains(t, stderr, "`grpccontroller doctor` looks for the cause")
}

// TestTheTroubleshootingPageKnowsEveryCheck: doctor names them, and the page what to do.
func TestTheTroubleshootingPageKnowsEveryCheck(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/troubleshooting.md")
	require.NoError(t, err)
	_, checks, found := strings.Cut(string(raw), "\n## By check of `doctor`\n")
	require.True(t, found)
	ofDoctor, ofReadiness, found := strings.Cut(checks, "\n## By check of `/readyz`\n")
	require.True(t, found)
	for part, names := range map[string][]string{ofDoctor: app.DoctorChecks(), ofReadiness: app.ReadinessChecks()} {
		for _, name := range names {
			require.Regexp(t, "(?m)^\\|[^|]*`"+name+"`[^|]*\\|.{20,}\\|$", part)
		}
	}
}
