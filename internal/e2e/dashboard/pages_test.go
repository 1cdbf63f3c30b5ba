package dashboard_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPages runs the dashboard's own tests: the logic, and what each page and dialog
// promises, in a browser with webadmin/ui/dev/world.ts instead of a controller.
func TestPages(t *testing.T) {
	for _, tool := range []string{"node", "chromium"} {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "%s is missing: scripts/require.sh node chromium", tool)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	suite := exec.CommandContext(ctx, "node", "node_modules/vitest/vitest.mjs", "run", "--reporter=dot")
	suite.Dir, suite.Stdout, suite.Stderr = ui, os.Stdout, os.Stderr
	require.NoError(t, suite.Run())
}
