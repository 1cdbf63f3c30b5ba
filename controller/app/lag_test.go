package app_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
)

func TestPolicyLag(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ current, oldest, want uint64 }{
		"of a connector that is behind":                  {9, 7, 2},
		"of connectors that are not":                     {9, 9, 0},
		"without connectors":                             {9, 0, 0},
		"of a connector that was faster than the scrape": {8, 9, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.InDelta(t, float64(tc.want), app.Lag(&policy.Snapshot{Revision: tc.current}, presence.Headcount{OldestPolicy: tc.oldest}), 0)
		})
	}
}

// TestWhatWasNeverPublishedWasNotApplied: a connector that claims a policy of the future
// does not make a revocation look as if it had arrived.
func TestWhatWasNeverPublishedWasNotApplied(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var took []time.Duration
	p := policy.NewPropagation(func() time.Time { return now }, func(d time.Duration) { took = append(took, d) })
	snapshot := &policy.Snapshot{Revision: 2, Revoked: []policy.Revocation{{Revision: 2, At: now}}}
	a := app.Attending(presence.NewRoster(time.Now), p, snapshot)
	n := a.ConnectorUp(presence.Arrival{ID: "c-01"}, "", presence.SVID{})
	a.ConnectorBeat("c-01", n, presence.SVID{}, math.MaxUint64)
	p.Look(snapshot)
	a.ConnectorBeat("c-01", n, presence.SVID{}, 3)
	require.Empty(t, took)
	now = now.Add(time.Second)
	a.ConnectorBeat("c-01", n, presence.SVID{}, 2)
	require.Equal(t, []time.Duration{time.Second}, took)
}
