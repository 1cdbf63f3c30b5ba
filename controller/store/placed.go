package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// placedFrom is what scanPlaced reads of a table of members.
func placedFrom(k identity.Kind) (string, error) {
	tab, err := table(k)
	return `SELECT ` + memberColumns + `, h.agent_id, h.ephemeral, h.revoked_at FROM ` + membersOf(k, tab) + ` JOIN hosts h ON h.id = m.host_id `, err
}

func scanPlaced(k identity.Kind) func(scanner) (fleet.Placed, error) {
	return func(row scanner) (fleet.Placed, error) {
		var r memberRow
		var p fleet.Placed
		var agent string
		var revoked int64
		err := row.Scan(r.dest(&agent, &p.Host.Ephemeral, &revoked)...)
		if err != nil {
			return p, err
		}
		if p.Member, err = r.member(k); err != nil {
			return p, err
		}
		p.Host.ID, p.Host.RevokedAt = p.Member.HostID, moment(revoked)
		p.Host.AgentID, err = agentID(p.Host.ID, agent)
		return p, err
	}
}

// agentID reads the column agent_id, which is empty until an ephemeral host has one.
func agentID(host identity.HostID, text string) (spiffeid.ID, error) {
	if text == "" {
		return spiffeid.ID{}, nil
	}
	id, err := spiffeid.FromString(text)
	if err != nil {
		return id, fmt.Errorf("agent id of host %s: %w", host, err)
	}
	return id, nil
}

// PlacedByID implements fleet.Placements.
func (s *Store) PlacedByID(ctx context.Context, k identity.Kind, ids []string) ([]fleet.Placed, error) {
	from, err := placedFrom(k)
	if err != nil {
		return nil, err
	}
	return byID(ids, func(places string, args []any) ([]fleet.Placed, error) {
		return collect(ctx, s.db, scanPlaced(k), from+`WHERE m.id IN (`+places+`) ORDER BY m.id`, args...)
	})
}

// PlacedAfter implements fleet.Placements.
func (s *Store) PlacedAfter(ctx context.Context, k identity.Kind, after string, limit int) ([]fleet.Placed, error) {
	from, err := placedFrom(k)
	if err != nil {
		return nil, err
	}
	return collect(ctx, s.db, scanPlaced(k), from+`WHERE m.id > ? ORDER BY m.id LIMIT ?`, after, limit)
}

// PlacedOn implements fleet.Placements.
func (s *Store) PlacedOn(ctx context.Context, host identity.HostID) (all []fleet.Placed, err error) {
	for _, k := range []identity.Kind{identity.KindConnector, identity.KindTunneler} {
		from, err := placedFrom(k)
		if err != nil {
			return nil, err
		}
		some, err := collect(ctx, s.db, scanPlaced(k), from+`WHERE m.host_id = ? ORDER BY m.id`, string(host))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// HostByID implements fleet.Store and fleet.Placements.
func (s *Store) HostByID(ctx context.Context, id identity.HostID) (fleet.Host, error) {
	h, err := scanHost(s.db.QueryRowContext(ctx, `SELECT `+readHost+` FROM hosts WHERE id = ?`, string(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.Host{}, fleet.ErrNotFound
	}
	return h, err
}

// HostsByID implements fleet.Store.
func (s *Store) HostsByID(ctx context.Context, ids []string) ([]fleet.Host, error) {
	return byID(ids, func(places string, args []any) ([]fleet.Host, error) {
		return collect(ctx, s.db, scanHost, `SELECT `+readHost+` FROM hosts WHERE id IN (`+places+`) ORDER BY id`, args...)
	})
}

// RevokedHosts implements fleet.Placements.
func (s *Store) RevokedHosts(ctx context.Context, agents []spiffeid.ID) ([]identity.HostID, error) {
	texts := make([]string, 0, len(agents))
	for _, a := range agents {
		texts = append(texts, a.String())
	}
	return byID(texts, func(places string, args []any) ([]identity.HostID, error) {
		return collect(ctx, s.db, func(row scanner) (id identity.HostID, err error) {
			err = row.Scan(&id)
			return id, err
		}, `SELECT id FROM hosts WHERE agent_id IN (`+places+`) AND revoked_at <> 0 ORDER BY id`, args...)
	})
}
