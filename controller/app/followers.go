package app

import (
	"context"
	"maps"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
)

// follower is a part that follows the change log.
type follower interface{ Position() uint64 }

// followers are all that run, by the name that the metric gives them.
func (c *controller) followers() map[string]follower {
	return map[string]follower{
		"policy": c.policy, "revisions": c.revisions, "reconciler": c.reconciler, "events": c.feed,
		"sequencer": c.auditing.sequencer, "rotation": c.rotation, "requests": c.enroll, "recovery": c.recovery,
	}
}

// exportFollowers says how far each follower is behind the change log.
func exportFollowers(r *metrics.Registry, position func(context.Context) (uint64, error), followers map[string]follower) {
	r.Gauges(metrics.ByLabel{
		Name: "changelog_lag_changes", Help: "Committed changes that this part of the controller has not taken yet.",
		Label: "follower", Values: slices.Sorted(maps.Keys(followers)),
	}, func(set func(follower string, changes float64)) {
		ctx, cancel := context.WithTimeout(context.Background(), storeAnswers)
		defer cancel()
		// The log is read first: a follower that passes it meanwhile is not behind.
		newest, err := position(ctx)
		for name, f := range followers {
			at := f.Position()
			set(name, known(int(newest-min(at, newest)), err)) //nolint:gosec // no log has that many changes
		}
	})
}
