package store

import (
	"context"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// Networks implements fleet.Store.
func (s *Store) Networks(ctx context.Context) ([]fleet.Network, error) {
	return collect(ctx, s.db, func(row scanner) (fleet.Network, error) {
		var n fleet.Network
		var created int64
		err := row.Scan(&n.ID, &n.Name, &created)
		n.CreatedAt = moment(created)
		return n, err
	}, `SELECT id, name, created_at FROM networks ORDER BY id`)
}
