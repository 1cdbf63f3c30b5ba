package fleet

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// index keeps the Lists up to date: to read ten thousand rows for each look at the
// dashboard would cost more than all else in it. It follows the change log and the turns
// of the roster when somebody looks, and takes what changed.
type index struct {
	store    Store
	roster   Roster
	follower *changelog.Follower
	turns    *presence.Turns

	scans chan struct{}

	mu   sync.Mutex
	rows *roll
	now  *Lists // of rows; nil if they have changed since
}

func newIndex(store Store, roster Roster, now func() time.Time, log *zap.Logger) *index {
	x := &index{store: store, roster: roster, turns: roster.Turns(), scans: newScans()}
	x.rows = newRoll(roster, x.scans)
	// Each change of a row is in the log, in the same transaction: to read all rows now
	// and then would keep everybody who looks waiting, and find nothing.
	x.follower = changelog.NewFollower(changelog.Config{
		Name: "lists of the fleet", Log: store, Reader: indexReader{x}, Now: now, Logger: log,
	})
	return x
}

// current returns the lists with everything that was committed, and everybody who came
// or went, before the call.
func (x *index) current(ctx context.Context) (*Lists, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.follower.CatchUp(ctx); err != nil {
		return nil, err
	}
	// After the rows: somebody who turned while they were read is among these.
	for _, turn := range x.turns.Take() {
		if x.rows.turn(turn) {
			x.now = nil
		}
	}
	if x.now == nil {
		x.now = x.rows.lists()
	}
	return x.now, nil
}

// indexReader implements changelog.Reader. Its methods run within current, with mu held.
type indexReader struct{ *index }

// Sync reads all rows.
func (x indexReader) Sync(ctx context.Context) error {
	connectors, err := x.store.Connectors(ctx)
	if err != nil {
		return err
	}
	tunnelers, err := x.store.Tunnelers(ctx)
	if err != nil {
		return err
	}
	hosts, err := x.store.Hosts(ctx)
	if err != nil {
		return err
	}
	x.rows, x.now = newRoll(x.roster, x.scans), nil
	x.rows.load(connectors, tunnelers, hosts)
	return nil
}

// Apply reads the rows that changed. What is said of a host is in the rows of its
// members too.
func (x indexReader) Apply(ctx context.Context, changes []changelog.Change) error {
	asked := map[changelog.Kind]map[string]struct{}{changelog.Connector: {}, changelog.Tunneler: {}, changelog.Host: {}}
	for _, c := range changes {
		if ids, ok := asked[c.Kind]; ok {
			ids[c.ID] = struct{}{}
		}
	}
	for id := range asked[changelog.Host] {
		connectors, tunnelers, err := x.store.MembersOn(ctx, identity.HostID(id))
		if err != nil {
			return err
		}
		for _, c := range connectors {
			asked[changelog.Connector][c.ID] = struct{}{}
		}
		for _, t := range tunnelers {
			asked[changelog.Tunneler][t.ID] = struct{}{}
		}
	}
	return x.reread(ctx, keysOf(asked[changelog.Connector]), keysOf(asked[changelog.Tunneler]), keysOf(asked[changelog.Host]))
}

func keysOf(ids map[string]struct{}) []string { return slices.Collect(maps.Keys(ids)) }

// reread replaces these rows by those that the store has now.
func (x indexReader) reread(ctx context.Context, connectorIDs, tunnelerIDs, hostIDs []string) error {
	if len(connectorIDs)+len(tunnelerIDs)+len(hostIDs) == 0 {
		return nil
	}
	connectors, err := x.store.ConnectorsByID(ctx, connectorIDs)
	if err != nil {
		return err
	}
	tunnelers, err := x.store.TunnelersByID(ctx, tunnelerIDs)
	if err != nil {
		return err
	}
	hosts, err := x.store.HostsByID(ctx, hostIDs)
	if err != nil {
		return err
	}
	x.now = nil
	x.rows.forget(connectorIDs, tunnelerIDs, hostIDs)
	x.rows.load(connectors, tunnelers, hosts)
	return nil
}

// Settled implements changelog.Reader.
func (indexReader) Settled(context.Context) error { return nil }
