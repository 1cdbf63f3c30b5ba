package app_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// evidence is a data directory with a signed log of three records.
func evidence(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := store.Open(t.Context(), filepath.Join(dir, "controller.db"))
	require.NoError(t, err)
	signer, err := audit.OpenSigner(filepath.Join(dir, "audit"), audit.Origin("test.example"))
	require.NoError(t, err)
	trail := audit.New(zap.NewNop(), time.Now)
	for range 3 {
		require.NoError(t, trail.Record(t.Context(), s, audit.Event{Actor: "key:k", Action: audit.TokenCreate, Target: "token/t", Outcome: audit.Success}))
	}
	require.NoError(t, audit.NewSequencer(audit.SequencerConfig{Store: s, Holder: "c", Signer: signer, Log: zap.NewNop(), Now: time.Now}).Step(t.Context()))
	require.NoError(t, s.Close())
	return dir
}

func verify(args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = cli.Execute(app.Root(), cli.Process{
		Args: append([]string{"audit", "verify"}, args...), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
	})
	return code, stdout.String(), stderr.String()
}

// TestAuditVerifyExitCodes: a script that acts on 1 must not act on a typing error.
func TestAuditVerifyExitCodes(t *testing.T) {
	t.Parallel()
	dir, other := evidence(t), t.TempDir()
	foreign, err := audit.OpenSigner(other, audit.Origin("elsewhere.example"))
	require.NoError(t, err)
	file := func(name, content string) string {
		path := filepath.Join(other, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	code, out, _ := verify("--data-dir", dir)
	require.Equal(t, 0, code)
	require.Contains(t, out, "the audit log is intact")
	for name, args := range map[string][]string{
		"no data directory":                 {"--data-dir", filepath.Join(dir, "none")},
		"no such database":                  {"--database", filepath.Join(dir, "none.db")},
		"a directory":                       {"--database", dir},
		"an empty file":                     {"--database", file("empty.db", "")},
		"a file that is no database":        {"--database", file("text.db", strings.Repeat("no database\n", 1000))},
		"the head of a database":            {"--database", file("head.db", head(t, filepath.Join(dir, "controller.db")))},
		"a key that is none":                {"--verifier-key", "nonsense"},
		"the key of another installation":   {"--verifier-key", foreign.VerifierKey},
		"no witness file":                   {"--witness", filepath.Join(dir, "none.json")},
		"a witness file that is not JSON":   {"--witness", file("a.json", "audit")},
		"an empty witness file":             {"--witness", file("b.json", "")},
		"a witness file of another program": {"--witness", file("c.json", `{"policy":1}`)},
		"a witness that has seen nothing":   {"--witness", file("d.json", `{}`)},
		"a flag that does not exist":        {"--witnes", "x"},
	} {
		code, out, errs := verify(append([]string{"--data-dir", dir}, args...)...)
		require.Equal(t, 2, code, "%s: %s", name, errs)
		require.NotContains(t, out+errs, "tampered", name)
	}
}

func TestAuditVerifyFindsWhatWasTampered(t *testing.T) {
	t.Parallel()
	dir := evidence(t)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "audit")))
	_, err := audit.OpenSigner(filepath.Join(dir, "audit"), audit.Origin("test.example"))
	require.NoError(t, err)
	code, _, errs := verify("--data-dir", dir)
	require.Equal(t, 1, code, "the log is of this name, and not of this key")
	require.Contains(t, errs, "tampered")
}

func head(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(raw[:8192])
}
