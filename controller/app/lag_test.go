package app_test

import (
	"testing"

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
