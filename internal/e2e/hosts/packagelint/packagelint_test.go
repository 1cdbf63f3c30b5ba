package packagelint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// TestLintianAndRpmlintFindNoError: the few errors that are none have their reasons in
// deploy/packages/lintian-overrides and rpmlint.toml.
func TestLintianAndRpmlintFindNoError(t *testing.T) {
	t.Parallel()
	top, err := filepath.Abs("../../../..")
	require.NoError(t, err)
	for format, c := range map[string]struct {
		arch string
		lint []string
	}{
		"deb": {map[string]string{"amd64": "_amd64", "arm64": "_arm64"}[runtime.GOARCH], []string{"lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0"}},
		"rpm": {map[string]string{"amd64": ".x86_64", "arm64": ".aarch64"}[runtime.GOARCH], []string{"rpmlint", "--config", top + "/deploy/packages/rpmlint.toml"}},
	} {
		found, err := filepath.Glob(top + "/dist/*" + c.arch + "." + format)
		require.NoError(t, err)
		require.Len(t, found, 4, "run make packages")
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), c.lint[0], append(c.lint[1:], found...)...)
			cmd.Env = append(os.Environ(), "PATH="+besideTheRoot(t)+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}

// besideTheRoot is a directory with a cpio that extracts only where it stands: rpmlint
// unpacks each package with cpio, which takes the paths of ours as absolute, and so puts
// programs, units and conf files into the system that runs the test.
func besideTheRoot(t *testing.T) string {
	t.Helper()
	cpio, err := exec.LookPath("cpio")
	require.NoError(t, err)
	dir := t.TempDir()
	script := "#!/bin/sh\nexec " + cpio + " --no-absolute-filenames \"$@\"\n"
	hosttest.WriteProgram(t, filepath.Join(dir, "cpio"), script)
	return dir
}
