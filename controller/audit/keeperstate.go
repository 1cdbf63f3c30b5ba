package audit

import (
	"context"
	"time"
)

// KeeperState is what a Keeper has done since the program started.
type KeeperState struct {
	// Events and Renewals count what was removed.
	Events, Renewals uint64
	// Oldest is the time of the oldest event that is there; zero before the first step.
	Oldest time.Time
	// Failing says that the last step failed: nothing is anchored or removed until one
	// succeeds, and the database grows.
	Failing bool
}

// State returns what was done until now.
func (k *Keeper) State() KeeperState {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

func (k *Keeper) removed(events, renewals uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state.Events += events
	k.state.Renewals += renewals
}

// note ends a step that failed with err, or did not.
func (k *Keeper) note(ctx context.Context, err error) error {
	rows, failed := k.cfg.Store.AuditRows(ctx, 0, 1)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state.Failing = err != nil || failed != nil
	if len(rows) > 0 {
		k.state.Oldest = rows[0].Time
	}
	return failed
}
