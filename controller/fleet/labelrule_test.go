package fleet_test

import (
	"fmt"
	"os"
	"strings"
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

// TestALabelSelectionIsBounded: each label is a condition of one query, and a request has
// room for thousands.
func TestALabelSelectionIsBounded(t *testing.T) {
	t.Parallel()
	labels, err := fleet.ParseLabels(strings.Repeat("env=prod,", fleet.MaxLabels-1) + "env=prod")
	require.NoError(t, err)
	require.Len(t, labels, fleet.MaxLabels)
	_, err = fleet.ParseLabels(strings.Repeat("env=prod,", fleet.MaxLabels) + "env=prod")
	require.ErrorContains(t, err, "there are 33 labels, and at most 32 are possible")
}
