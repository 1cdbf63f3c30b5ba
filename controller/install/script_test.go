package install_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheScriptWaitsForAPlace: hosts behind one address that are installed together
// are more than it may have downloads, and the rest is told to come back.
func TestTheScriptWaitsForAPlace(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../scripts/setup.sh")
	require.NoError(t, err)
	_, get, ok := strings.Cut(string(script), "\nget() {")
	require.True(t, ok)
	get, _, ok = strings.Cut(get, "\n}\n")
	require.True(t, ok)
	for name, c := range map[string]struct{ answers, fault string }{
		"one busy answer, then no place, then the file": {"22:503 52:000 0:200", ""},
		"a file that is not there":                      {"22:404 0:200", "has no VERSION to install"},
		"busy for ever":                                 {strings.Repeat("22:503 ", 60), "busy with other downloads"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			answers := strings.ReplaceAll(strings.TrimSpace(c.answers), " ", "\n") + "\n"
			require.NoError(t, os.WriteFile(filepath.Join(dir, "answers"), []byte(answers), 0o600))
			cmd := exec.CommandContext(t.Context(), "bash", "-euc", `
fail() { printf '%s\n' "$*"; exit 1; }
sleep() { :; }
curl() {
	local answer
	answer=$(head -n 1 "$WORK/answers")
	sed -i 1d "$WORK/answers"
	printf '%s' "${answer#*:}"
	return "${answer%:*}"
}
get() {`+get+`
}
get VERSION`)
			cmd.Env = append(os.Environ(), "WORK="+dir, "CONTROLLER_ADDR=c:8443", "CA=ca", "TRUST_DOMAIN=td")
			out, err := cmd.CombinedOutput()
			if c.fault == "" {
				require.NoError(t, err, "%s", out)
				return
			}
			require.Error(t, err)
			require.Contains(t, string(out), c.fault)
		})
	}
}

// TestTheScriptsFetchAProgramAndStartIt: what they do beyond that belongs in it.
func TestTheScriptsFetchAProgramAndStartIt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"setup.sh", "tunneler-setup.sh"} {
		script, err := os.ReadFile("../../scripts/" + name)
		require.NoError(t, err)
		require.LessOrEqual(t, strings.Count(string(script), "\n"), 80, name)
	}
}

// TestAScriptThatWasCutOffFailsAndRunsNothing: it is read from a pipe, by a shell that
// would run each line of it as it comes.
func TestAScriptThatWasCutOffFailsAndRunsNothing(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../scripts/setup.sh")
	require.NoError(t, err)
	dir := t.TempDir()
	begin := bytes.Index(script, []byte("\n{")) + len("\n{ ")
	lengths := []int{len(script) - 2}
	for n := begin; n < len(script); n += 211 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", "PATH= exec /bin/bash -s -- --help") // which would print it
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(string(script[:n]))
		out, err := cmd.CombinedOutput()
		require.Error(t, err, "%d bytes are enough: %s", n, out)
		require.NotContains(t, string(out), "asks for the enrollment token")
		require.Regexp(t, `unexpected`, string(out))
	}
}
