package admincmd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
)

// TestAuditListSaysHowManyAnEventStandsFor: a flood is one line, with its number.
func TestAuditListSaysHowManyAnEventStandsFor(t *testing.T) {
	t.Parallel()
	for count, want := range map[uint64]string{1264: "unknown token (1264 times)", 1: "unknown token", 0: "unknown token"} {
		require.Equal(t, want, admincmd.ReasonOf(adminapi.AuditEvent{Outcome: "denied", Reason: "unknown token", Count: count}))
	}
}
