package archtest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOnlyTheControllerIsTraced: what runs on every host stays small.
func TestOnlyTheControllerIsTraced(t *testing.T) {
	t.Parallel()
	const traces = "go.opentelemetry.io/"
	for program, traced := range map[string]bool{"connector": false, "tunneler": false, "spire/hostagent/host-agent": false, "controller": true} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../../"+program).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, traced, strings.Contains(string(out), traces), program)
	}
}
