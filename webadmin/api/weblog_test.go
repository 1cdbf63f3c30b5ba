package api_test

import (
	"log"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
)

// TestWhatStrangersCauseIsNoWarning: anybody can break off a handshake, thousands of times.
// What net/http says of its own listener an operator has to see.
func TestWhatStrangersCauseIsNoWarning(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	lines := log.New(api.WebLog(zap.New(core)), "", 0)
	lines.Printf("http: TLS handshake error from 192.0.2.7:4711: EOF")
	lines.Printf("http: Accept error: accept tcp: too many open files; retrying in 5ms")
	got := logs.All()
	require.Len(t, got, 2)
	require.Equal(t, zapcore.DebugLevel, got[0].Level)
	require.Equal(t, zapcore.WarnLevel, got[1].Level)
	for i, want := range []string{"TLS handshake error from 192.0.2.7:4711: EOF", "retrying in 5ms"} {
		require.Contains(t, got[i].ContextMap()["fault"], want)
		require.NotContains(t, got[i].ContextMap()["fault"], "\n")
	}
}
