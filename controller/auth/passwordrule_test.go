package auth_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
)

// TestTheDashboardTellsTheRuleOfPasswords: at the fields where somebody chooses one.
func TestTheDashboardTellsTheRuleOfPasswords(t *testing.T) {
	t.Parallel()
	field, err := os.ReadFile("../../webadmin/ui/src/ui/NewPassword.tsx")
	require.NoError(t, err)
	require.Contains(t, string(field), fmt.Sprintf("const length = { min: %d, max: %d }\n", auth.MinPassword, auth.MaxPassword))
	for page, fields := range map[string]int{"setup/index.tsx": 1, "account/Password.tsx": 1} {
		raw, err := os.ReadFile("../../webadmin/ui/src/pages/" + page)
		require.NoError(t, err)
		require.Equal(t, fields, strings.Count(string(raw), "<NewPassword "), page)
		require.Contains(t, string(raw), "!fits(", "%s sends what would be refused", page)
		// The field that repeats it, and no other.
		require.Equal(t, 1, strings.Count(string(raw), `autoComplete="new-password"`), page)
	}
}
