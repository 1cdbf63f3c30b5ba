package fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// index keeps what lists read of the store in memory: to read ten thousand rows for each
// look at the dashboard would cost more than all else in it. It follows the change log
// when somebody looks, and reads the rows that changed; who was seen when is the roster's.
type index struct {
	store    Store
	follower *changelog.Follower

	mu   sync.Mutex
	rows rows
}

// rows are never changed, only replaced.
type rows struct {
	connectors []Connector
	tunnelers  []Tunneler
	hosts      []Host
}

func newIndex(store Store, now func() time.Time, log *zap.Logger) *index {
	x := &index{store: store}
	x.follower = changelog.NewFollower(changelog.Config{
		Name: "lists of the fleet", Log: store, Reader: indexReader{x}, SyncEvery: compareEvery, Now: now, Logger: log,
	})
	return x
}

// current returns rows that are as new as the call, or newer.
func (x *index) current(ctx context.Context) (rows, error) {
	if err := x.follower.CatchUp(ctx); err != nil {
		return rows{}, err
	}
	return x.get(), nil
}

func (x *index) get() rows {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rows
}

func (x *index) set(next rows) {
	for i := range next.hosts {
		next.hosts[i].Certificate, next.hosts[i].KeyHash = nil, nil // no list shows them
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rows = next
}

// indexReader implements changelog.Reader.
type indexReader struct{ *index }

// Sync reads all rows.
func (x indexReader) Sync(ctx context.Context) (err error) {
	var next rows
	if next.connectors, err = x.store.Connectors(ctx); err != nil {
		return err
	}
	if next.tunnelers, err = x.store.Tunnelers(ctx); err != nil {
		return err
	}
	if next.hosts, err = x.store.Hosts(ctx); err != nil {
		return err
	}
	x.set(next)
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
	next := x.get()
	var err error
	if next.connectors, err = reread(ctx, next.connectors, asked[changelog.Connector], x.store.ConnectorsByID, Connector.id); err != nil {
		return err
	}
	if next.tunnelers, err = reread(ctx, next.tunnelers, asked[changelog.Tunneler], x.store.TunnelersByID, Tunneler.id); err != nil {
		return err
	}
	if next.hosts, err = reread(ctx, next.hosts, asked[changelog.Host], x.store.HostsByID, Host.id); err != nil {
		return err
	}
	x.set(next)
	return nil
}

// Settled implements changelog.Reader.
func (indexReader) Settled(context.Context) error { return nil }

// reread returns a list, by id, in which the rows that were asked for are those that the
// store has now.
func reread[T any](ctx context.Context, list []T, asked map[string]struct{}, read func(context.Context, []string) ([]T, error), id func(T) string) ([]T, error) {
	if len(asked) == 0 {
		return list, nil
	}
	found, err := read(ctx, slices.Collect(maps.Keys(asked)))
	if err != nil {
		return nil, err
	}
	next := slices.DeleteFunc(slices.Clone(list), func(row T) bool {
		_, stale := asked[id(row)]
		return stale
	})
	next = append(next, found...)
	slices.SortFunc(next, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	return next, nil
}

func (c Connector) id() string { return c.ID }
func (t Tunneler) id() string  { return t.ID }
func (h Host) id() string      { return string(h.ID) }
