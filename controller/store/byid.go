package store

import (
	"context"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// idsAtOnce is how many rows one query asks for.
const idsAtOnce = 100

// ConnectorsByID implements fleet.Store and policy.Store.
func (s *Store) ConnectorsByID(ctx context.Context, ids []string) ([]fleet.Connector, error) {
	return byID(ids, func(places string, args []any) ([]fleet.Connector, error) {
		return collect(ctx, s.db, scanConnector, connectorsWhere+`WHERE m.id IN (`+places+`) ORDER BY m.id`, args...)
	})
}

// TunnelersByID implements fleet.Store and policy.Store.
func (s *Store) TunnelersByID(ctx context.Context, ids []string) ([]fleet.Tunneler, error) {
	return byID(ids, func(places string, args []any) ([]fleet.Tunneler, error) {
		return collect(ctx, s.db, scanTunneler, tunnelersWhere+`WHERE m.id IN (`+places+`) ORDER BY m.id`, args...)
	})
}

// byID reads any number of rows, some at a time.
func byID[T any](ids []string, read func(places string, args []any) ([]T, error)) (all []T, err error) {
	for some := range slices.Chunk(ids, idsAtOnce) {
		args := make([]any, 0, len(some))
		for _, id := range some {
			args = append(args, id)
		}
		rows, err := read(strings.Repeat(", ?", len(some))[2:], args)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// ResourcesByID implements policy.Store.
func (s *Store) ResourcesByID(ctx context.Context, ids []string) ([]policy.Resource, error) {
	return byID(ids, func(places string, args []any) ([]policy.Resource, error) {
		return collect(ctx, s.db, scanResource, `SELECT `+resourceColumns+` FROM resources WHERE id IN (`+places+`) ORDER BY id`, args...)
	})
}

// GrantsByID implements policy.Store.
func (s *Store) GrantsByID(ctx context.Context, ids []string) ([]policy.Grant, error) {
	return byID(ids, func(places string, args []any) ([]policy.Grant, error) {
		return collect(ctx, s.db, scanGrants(), `SELECT `+grantColumns+` FROM grants WHERE id IN (`+places+`) ORDER BY id`, args...)
	})
}
