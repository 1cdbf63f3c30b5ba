package dashboard_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pages adds the tests in a browser. They still miss an event now and then, which comes
// between the first answers of the API and the opening of the stream, so make test goes
// without them.
var pages = flag.Bool("pages", false, "also test each page and dialog in a browser")

// TestPages runs the dashboard's own tests: the logic, and with -pages what each page and
// dialog promises, in a browser with webadmin/ui/dev/world.ts instead of a controller.
func TestPages(t *testing.T) {
	needed, projects := []string{"node"}, []string{"--project=unit"}
	if *pages {
		needed, projects = append(needed, "chromium"), nil
	}
	for _, tool := range needed {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "%s is missing: scripts/require.sh %s", tool, tool)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	suite := exec.CommandContext(ctx, "node", append([]string{"node_modules/vitest/vitest.mjs", "run", "--reporter=dot"}, projects...)...)
	suite.Dir, suite.Stdout, suite.Stderr = ui, os.Stdout, os.Stderr
	require.NoError(t, suite.Run())
}
