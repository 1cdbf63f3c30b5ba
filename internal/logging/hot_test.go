package logging_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

func TestAFloodOfOneMessageIsSampledAndHidesNoOther(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	log := zap.New(core)
	hot := logging.Hot(log).With(zap.String("a", "b"))
	const flood = 10_000
	for i := range flood {
		hot.Info("admin request")
		log.Info("audit event", zap.Int("i", i))
		hot.Warn("worse")
		if i == flood/2 {
			hot.Info("rare")
		}
	}
	count := func(message string) int { return logs.FilterMessage(message).Len() }
	// The sampler's second may pass in between, once or twice on a busy machine.
	require.GreaterOrEqual(t, count("admin request"), logging.HotFirst)
	require.Less(t, count("admin request"), flood/10)
	require.Equal(t, flood, count("audit event"), "what is not said to be hot is never sampled")
	require.Equal(t, flood, count("worse"), "nor is a warning")
	require.Equal(t, 1, count("rare"), "nor what comes once")
	require.Equal(t, "b", logs.FilterMessage("worse").All()[0].ContextMap()["a"])
}

func TestHotKeepsTheLevel(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	hot := logging.Hot(zap.New(core))
	for i := range 3 {
		hot.Info(fmt.Sprint(i))
	}
	require.Zero(t, logs.Len())
}
