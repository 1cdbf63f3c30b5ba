package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// TestEnrollingKeepsTheWitnessOfTheSameController: who revokes a connector and enrolls
// it anew must not get rid of a witness by that.
func TestEnrollingKeepsTheWitnessOfTheSameController(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]bool{"the same controller": false, "another one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			policy, path, denials := filepath.Join(dir, "policy.json"), filepath.Join(dir, witness.FileName), filepath.Join(dir, "denials.json")
			require.NoError(t, app.Forget(dir, other), "there is nothing yet")
			require.NoError(t, os.WriteFile(policy, []byte("{}"), 0o600))
			require.NoError(t, os.WriteFile(denials, []byte("{}"), 0o600))
			require.NoError(t, witnessFile(t).Save(path))
			require.NoError(t, app.Forget(dir, other))
			require.NoFileExists(t, policy)
			require.FileExists(t, denials, "denials outlive controllers")
			aside, err := filepath.Glob(path + ".*")
			require.NoError(t, err)
			if other {
				require.NoFileExists(t, path)
				require.Len(t, aside, 1, "it is evidence")
				return
			}
			require.FileExists(t, path)
			require.Empty(t, aside)
		})
	}
}
