package packagelint_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
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
			out, err := exec.CommandContext(t.Context(), c.lint[0], append(c.lint[1:], found...)...).CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}
