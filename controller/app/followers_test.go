package app_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
)

func TestTheLagOfEachFollowerIsExported(t *testing.T) {
	t.Parallel()
	lag := func(err error, at app.At) float64 {
		r := metrics.New("1")
		app.Lags(r, func(context.Context) (uint64, error) { return 100, err }, map[string]app.At{"policy": at, "events": 100})
		got, ok := telemetrytest.GatherMetrics(t, r).Value("zerotrust_changelog_lag_changes", metrics.Labels{"follower": "policy"})
		require.True(t, ok)
		return got
	}
	require.InDelta(t, 40, lag(nil, 60), 0)
	require.Zero(t, lag(nil, 100))
	require.Zero(t, lag(nil, 101), "it has read what was written after the log was asked")
	require.InDelta(t, 100, lag(nil, 0), 0, "it has read nothing yet")
	require.True(t, math.IsNaN(lag(errors.New("database is locked"), 60)), "the database does not answer")
}
