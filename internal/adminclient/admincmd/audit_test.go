package admincmd_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
)

func TestAuditListSaysHowManyAnEventStandsFor(t *testing.T) {
	t.Parallel()
	for after, want := range map[string]string{
		`{"count":1264,"targets":{"connector/c-01":1264}}`: "unknown token (1264 times)",
		`{"count":1}`:    "unknown token",
		`{"count":-1}`:   "unknown token",
		`{"role":"x"}`:   "unknown token",
		`"no object"`:    "unknown token",
		``:               "unknown token",
		`{"count":"12"}`: "unknown token",
	} {
		require.Equal(t, want, admincmd.ReasonOf(adminapi.AuditEvent{Outcome: "denied", Reason: "unknown token", After: json.RawMessage(after)}), after)
	}
}
