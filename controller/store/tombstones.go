package store

import (
	"context"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Bury implements fleet.Tx. A tombstone that is over goes with the next one. The later end
// counts: a database of before a restore may know a certificate that was renewed since.
func (t *Tx) Bury(ctx context.Context, s fleet.Tombstone, now time.Time) error {
	if _, err := t.sql.ExecContext(ctx, `DELETE FROM tombstones WHERE until <> 0 AND until <= ?`, micros(now)); err != nil {
		return err
	}
	_, err := t.sql.ExecContext(ctx, `INSERT INTO tombstones (host_id, agent_id, until) VALUES (?, ?, ?)
		ON CONFLICT (host_id) DO UPDATE SET until = CASE WHEN until = 0 OR excluded.until = 0 THEN 0 ELSE max(until, excluded.until) END`, string(s.HostID), s.AgentID.String(), micros(s.Until))
	return err
}

// nameTombstone gives the tombstone of a host that was revoked before its agent had an
// id that id.
func (t *Tx) nameTombstone(ctx context.Context, h fleet.Host) error {
	_, err := t.sql.ExecContext(ctx, `UPDATE tombstones SET agent_id = ? WHERE host_id = ? AND agent_id = ''`, h.AgentID.String(), string(h.ID))
	return err
}

// Tombstones implements fleet.TombstoneStore.
func (s *Store) Tombstones(ctx context.Context, after identity.HostID, limit int, now time.Time) ([]fleet.Tombstone, error) {
	return collect(ctx, s.db, func(row scanner) (fleet.Tombstone, error) {
		var out fleet.Tombstone
		var agent string
		var until int64
		if err := row.Scan(&out.HostID, &agent, &until); err != nil {
			return out, err
		}
		var err error
		if out.AgentID, err = spiffeid.FromString(agent); err != nil {
			return out, fmt.Errorf("agent id of revoked host %s: %w", out.HostID, err)
		}
		out.Until = moment(until)
		return out, nil
	}, `SELECT host_id, agent_id, until FROM tombstones WHERE host_id > ? AND agent_id <> '' AND (until = 0 OR until > ?)
		ORDER BY host_id LIMIT ?`, string(after), micros(now), limit)
}
