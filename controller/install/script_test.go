package install_test

import (
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
			cmd.Env = append(os.Environ(), "WORK="+dir, "CONTROLLER_ADDR=c:8443", "CONTROLLER_CA_PATH=ca", "TRUST_DOMAIN=td")
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
