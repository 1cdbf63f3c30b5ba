package proc_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// TestTheRefusalOfARevokedHostIsNoError: nobody has to act, it is what a ban is for.
func TestTheRefusalOfARevokedHostIsNoError(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	server := proc.NewLines(zap.New(core))
	level := func(msg, request string) zapcore.Level {
		t.Helper()
		_, err := fmt.Fprintf(server, `{"level":"error","msg":%q,"request_id":%q,"caller_id":"spiffe://td/spire/agent/x509pop/%[2]s"}`+"\n", msg, request)
		require.NoError(t, err)
		all := logs.TakeAll()
		require.Len(t, all, 1)
		return all[0].Level
	}
	const again = "Failed to authenticate caller"
	require.Equal(t, zap.InfoLevel, level("Failed to attest: agent is banned", "r1"))
	require.Equal(t, zap.InfoLevel, level("Agent is banned", "r2"))
	require.Equal(t, zap.InfoLevel, level("Agent is banned", "r3"))
	require.Equal(t, zap.DebugLevel, level(again, "r2"), "the same refusal once more")
	require.Equal(t, zap.DebugLevel, level(again, "r3"))
	require.Equal(t, zap.ErrorLevel, level(again, "r4"), "of another cause")
	require.Equal(t, zap.ErrorLevel, level(again, ""), "nobody knows of what")
	require.Equal(t, zap.ErrorLevel, level("Failed to attest: node attestor failed", "r5"))
	for i := range 8 {
		level("Agent is banned", fmt.Sprint("later", i))
	}
	require.Equal(t, zap.ErrorLevel, level(again, "r2"), "what is remembered is bounded")
}
