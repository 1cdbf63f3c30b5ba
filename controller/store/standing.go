package store

import (
	"context"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// HostStanding says whether a host was ever enrolled, and who is enrolled on it and not
// revoked. It only reads: each host asks every ten seconds.
func (s *Store) HostStanding(ctx context.Context, id identity.HostID) (known bool, live []identity.Workload, err error) {
	if err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM hosts WHERE id = ?)`, string(id)).Scan(&known); err != nil || !known {
		return false, nil, err
	}
	for _, k := range []identity.Kind{identity.KindConnector, identity.KindTunneler} {
		tab, err := table(k)
		if err != nil {
			return false, nil, err
		}
		some, err := collect(ctx, s.db, func(row scanner) (w identity.Workload, err error) {
			w.Kind = k
			return w, row.Scan(&w.ID)
		}, `SELECT id FROM `+tab+` WHERE host_id = ? AND revoked_at = 0 ORDER BY id`, string(id))
		if err != nil {
			return false, nil, err
		}
		live = append(live, some...)
	}
	return true, live, nil
}
