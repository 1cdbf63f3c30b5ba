package access_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// TestTheDashboardHasTheRulesOfLabels: it refuses while they are typed what the API would refuse.
func TestTheDashboardHasTheRulesOfLabels(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../../webadmin/ui/src/ui/labels.ts")
	require.NoError(t, err)
	for name, pattern := range map[string]string{"key": access.LabelKeyPattern, "value": access.LabelValuePattern} {
		require.Contains(t, string(rules), fmt.Sprintf("const %s = /%s/\n", name, pattern))
	}
	require.Contains(t, string(rules), fmt.Sprintf("const most = %d\n", access.MaxLabels))
}

// TestTheDashboardSaysWhatEachCodeMeans, and knows how many labels a resource may have.
func TestTheDashboardSaysWhatEachCodeMeans(t *testing.T) {
	t.Parallel()
	answers, err := os.ReadFile("../../webadmin/ui/src/ui/decisions.ts")
	require.NoError(t, err)
	doc, err := os.ReadFile("../../docs/access.md")
	require.NoError(t, err)
	for _, code := range access.Codes() {
		require.Contains(t, string(doc), "`"+string(code)+"`")
		require.Regexp(t, `(?m)^  `+string(code)+`:`, string(answers))
	}
	form, err := os.ReadFile("../../webadmin/ui/src/pages/resources/Form.tsx")
	require.NoError(t, err)
	require.Contains(t, string(form), fmt.Sprintf("const mostLabels = %d\n", access.MaxResourceLabels))
}

// TestALabelSelectionIsBounded: each label is a condition of one query, and a request has
// room for thousands.
func TestALabelSelectionIsBounded(t *testing.T) {
	t.Parallel()
	labels, err := access.ParseLabels(strings.Repeat("env=prod,", access.MaxLabels-1) + "env=prod")
	require.NoError(t, err)
	require.Len(t, labels, access.MaxLabels)
	_, err = access.ParseLabels(strings.Repeat("env=prod,", access.MaxLabels) + "env=prod")
	require.ErrorContains(t, err, "there are 33 labels, and at most 32 are possible")
}
