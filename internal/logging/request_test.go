package logging_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

func TestALineOfARequestSaysWhich(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	log := zap.New(core)
	r := logging.Request{ID: logging.NewRequestID(), TraceID: "t", CallerID: "spiffe://mycorp.internal/connector/a", CallerAddr: "192.0.2.1:5"}
	ctx := logging.WithRequest(t.Context(), r)
	logging.For(ctx, log).Info("one")
	log.Info("two", logging.Trace(ctx))
	logging.For(t.Context(), log).Info("three", logging.Trace(t.Context()))

	all := logs.All()
	require.Equal(t, map[string]any{"request_id": r.ID, "trace_id": "t", "caller_id": r.CallerID, "caller_addr": r.CallerAddr}, all[0].ContextMap())
	require.Equal(t, map[string]any{"trace_id": "t"}, all[1].ContextMap())
	require.Empty(t, all[2].ContextMap())
	require.Equal(t, r, logging.RequestOf(ctx))
	require.Regexp(t, `^[0-9a-f]{16}$`, r.ID)
	require.NotEqual(t, r.ID, logging.NewRequestID())
}
