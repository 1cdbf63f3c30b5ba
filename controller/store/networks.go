package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const networksWhere = `SELECT id, name, prefixes, created_at, revision FROM networks `

func scanNetwork(row scanner) (fleet.Network, error) {
	var n fleet.Network
	var prefixes string
	var created int64
	err := row.Scan(&n.ID, &n.Name, &prefixes, &created, &n.Revision)
	if errors.Is(err, sql.ErrNoRows) {
		return n, fleet.ErrNotFound
	}
	if err != nil {
		return n, err
	}
	n.CreatedAt = moment(created)
	list, err := parseTexts(prefixes)
	if err != nil {
		return n, err
	}
	n.Prefixes, err = access.ParsePrefixes(list)
	return n, err
}

func network(id string, op changelog.Op) changelog.Change {
	return changelog.Change{Kind: changelog.Network, ID: id, Op: op}
}

// Networks implements fleet.Store.
func (s *Store) Networks(ctx context.Context) ([]fleet.Network, error) {
	return collect(ctx, s.db, scanNetwork, networksWhere+`ORDER BY id`)
}

// NetworkByID implements fleet.Store.
func (s *Store) NetworkByID(ctx context.Context, id string) (fleet.Network, error) {
	return scanNetwork(s.db.QueryRowContext(ctx, networksWhere+`WHERE id = ?`, id))
}

// Network implements fleet.NetworksTx.
func (t *Tx) Network(ctx context.Context, id string) (fleet.Network, error) {
	return scanNetwork(t.sql.QueryRowContext(ctx, networksWhere+`WHERE id = ?`, id))
}

// CountNetworks implements fleet.NetworksTx.
func (t *Tx) CountNetworks(ctx context.Context) (n int, err error) {
	err = t.sql.QueryRowContext(ctx, `SELECT count(*) FROM networks`).Scan(&n)
	return n, err
}

// InsertNetwork implements fleet.NetworksTx.
func (t *Tx) InsertNetwork(ctx context.Context, n fleet.Network) error {
	prefixes, err := texts(access.PrefixTexts(n.Prefixes))
	if err != nil {
		return err
	}
	return t.write(ctx, network(n.ID, changelog.Created), `INSERT INTO networks (id, name, prefixes, created_at, revision) VALUES (?, ?, ?, ?, ?)`,
		n.ID, n.Name, prefixes, micros(n.CreatedAt), n.Revision)
}

// UpdateNetwork implements fleet.NetworksTx.
func (t *Tx) UpdateNetwork(ctx context.Context, n fleet.Network) error {
	prefixes, err := texts(access.PrefixTexts(n.Prefixes))
	if err != nil {
		return err
	}
	return t.write(ctx, network(n.ID, changelog.Changed), `UPDATE networks SET name = ?, prefixes = ?, revision = ? WHERE id = ?`, n.Name, prefixes, n.Revision, n.ID)
}

// DeleteNetwork implements fleet.NetworksTx.
func (t *Tx) DeleteNetwork(ctx context.Context, id string) error {
	gone, err := collect(ctx, t.sql, scanID, `UPDATE connectors SET network_id = ? WHERE network_id = ? AND revoked_at <> 0 RETURNING id`, fleet.DefaultNetwork, id)
	if err != nil {
		return err
	}
	for _, c := range gone {
		t.changed(changelog.Connector, c, changelog.Changed)
	}
	return t.write(ctx, network(id, changelog.Deleted), `DELETE FROM networks WHERE id = ?`, id)
}

// ConnectorsIn implements fleet.NetworksTx.
func (t *Tx) ConnectorsIn(ctx context.Context, id string, limit int) (first []string, total int, err error) {
	return firstOf(ctx, t.sql, ` FROM connectors WHERE network_id = ? AND revoked_at = 0`, id, limit)
}

// NetworkOf implements fleet.NetworksTx.
func (t *Tx) NetworkOf(ctx context.Context, connector string) (id string, err error) {
	err = t.sql.QueryRowContext(ctx, `SELECT network_id FROM connectors WHERE id = ?`, connector).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = fleet.ErrNotFound
	}
	return id, err
}

// MoveConnector implements fleet.NetworksTx.
func (t *Tx) MoveConnector(ctx context.Context, connector, to string) error {
	w := identity.Workload{Kind: identity.KindConnector, ID: connector}
	return t.write(ctx, member(w, changelog.Changed), `UPDATE connectors SET network_id = ? WHERE id = ?`, to, connector)
}
