package identity_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestNearIDsAreThoseThatMayHaveBeenMeant(t *testing.T) {
	t.Parallel()
	ids := []string{"laptop-01", "laptop-02", "build", "db", "laptop-10", "a", "phone"}
	for written, want := range map[string][]string{
		"laptop-O1": {"laptop-01", "laptop-02", "laptop-10"},
		"latpop-01": {"laptop-01", "laptop-02", "laptop-10"},
		"laptop":    {"laptop-01", "laptop-02", "laptop-10"},
		"biuld":     {"build"},
		"bd":        {"db"},
		"phone":     nil,
		"server":    nil,
		"":          {"a"},
	} {
		require.Equal(t, want, identity.Near(written, ids), written)
	}
}
