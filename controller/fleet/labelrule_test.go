package fleet_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// TestTheDashboardHasTheRulesOfLabels: it refuses while they are typed what the API would refuse.
func TestTheDashboardHasTheRulesOfLabels(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../../webadmin/ui/src/ui/labels.ts")
	require.NoError(t, err)
	for name, pattern := range map[string]string{"key": fleet.LabelKeyPattern, "value": fleet.LabelValuePattern} {
		require.Contains(t, string(rules), fmt.Sprintf("const %s = /%s/\n", name, pattern))
	}
	require.Contains(t, string(rules), fmt.Sprintf("const most = %d\n", fleet.MaxLabels))
}
