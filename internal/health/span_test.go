package health_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"24h": 24 * time.Hour, "1h30m": 90 * time.Minute, "10m": 10 * time.Minute, "30s": 30 * time.Second, "0s": 0,
		"1h0m1s": time.Hour + time.Second, "5m30s": 330 * time.Second, "250ms": 250 * time.Millisecond, "-24h": -24 * time.Hour,
		"10h": 10 * time.Hour, "20m": 20 * time.Minute, "100h10m": 100*time.Hour + 10*time.Minute,
	} {
		require.Equal(t, want, health.Span(d))
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64().Draw(t, "d"))
		again, err := time.ParseDuration(health.Span(d))
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
}
