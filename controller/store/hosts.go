package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// hostColumns are what an enrollment writes of a host.
const hostColumns = `id, agent_id, key_hash, certificate, ephemeral, hostname, enrolled_at, contested_at, cloned_at, clone, revoked_at`

// readHost are all columns of a host, in the order of scanHost.
const readHost = hostColumns + `, name, labels, notes, revision`

func scanHost(s scanner) (fleet.Host, error) {
	var h fleet.Host
	var agent, clone, labels string
	var enrolled, contested, cloned, revoked int64
	err := s.Scan(&h.ID, &agent, &h.KeyHash, &h.Certificate, &h.Ephemeral, &h.Hostname, &enrolled, &contested, &cloned, &clone, &revoked,
		&h.About.Name, &labels, &h.About.Notes, &h.About.Revision)
	if err != nil {
		return h, err
	}
	h.EnrolledAt, h.ContestedAt, h.ClonedAt, h.RevokedAt = moment(enrolled), moment(contested), moment(cloned), moment(revoked)
	if h.About.Labels, err = parseLabels(labels); err != nil {
		return h, fmt.Errorf("labels of host %s: %w", h.ID, err)
	}
	c, err := parseClone(clone)
	if err != nil {
		return h, fmt.Errorf("clone of host %s: %w", h.ID, err)
	}
	if c != nil {
		h.Clone = *c
	}
	h.AgentID, err = agentID(h.ID, agent)
	return h, err
}

// parseClone reads the column clone; nil for a host that is not cloned.
func parseClone(text string) (*fleet.Clone, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // not cloned is not an error
	}
	var c fleet.Clone
	return &c, json.Unmarshal([]byte(text), &c)
}

// Host implements fleet.Tx.
func (t *Tx) Host(ctx context.Context, id identity.HostID) (fleet.Host, error) {
	h, err := scanHost(t.sql.QueryRowContext(ctx, `SELECT `+readHost+` FROM hosts WHERE id = ?`, string(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.Host{}, fleet.ErrNotFound
	}
	return h, err
}

// Hosts implements fleet.Store.
func (s *Store) Hosts(ctx context.Context) ([]fleet.Host, error) {
	return collect(ctx, s.db, scanHost, `SELECT `+readHost+` FROM hosts ORDER BY id`)
}

// MembersOn implements fleet.Store.
func (s *Store) MembersOn(ctx context.Context, id identity.HostID) (connectors []fleet.Connector, tunnelers []fleet.Tunneler, err error) {
	if connectors, err = collect(ctx, s.db, scanConnector, connectorsWhere+`WHERE m.host_id = ? ORDER BY m.id`, string(id)); err != nil {
		return nil, nil, err
	}
	tunnelers, err = collect(ctx, s.db, scanTunneler, tunnelersWhere+`WHERE m.host_id = ? ORDER BY m.id`, string(id))
	return connectors, tunnelers, err
}

// MarkedHosts counts the hosts that are not revoked and whose token somebody else
// tried (contested), or whose key two machines use (cloned).
func (s *Store) MarkedHosts(ctx context.Context) (contested, cloned int, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE contested_at <> 0), count(*) FILTER (WHERE cloned_at <> 0)
		FROM hosts WHERE revoked_at = 0`).Scan(&contested, &cloned)
	return contested, cloned, err
}

// HostKeyKnown implements enroll.Tx.
func (t *Tx) HostKeyKnown(ctx context.Context, keyHash []byte) (known bool, err error) {
	err = t.sql.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM hosts WHERE key_hash = ?)`, keyHash).Scan(&known)
	return known, err
}

// PutHost implements enroll.Tx. Of a host that exists only the agent id and the
// certificate change, so that a mark set meanwhile (contested, revoked) stays.
func (t *Tx) PutHost(ctx context.Context, h fleet.Host) error {
	if err := t.nameTombstone(ctx, h); err != nil {
		return err
	}
	return t.write(ctx, host(h.ID, changelog.Created), `INSERT INTO hosts (`+hostColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?)
		ON CONFLICT (id) DO UPDATE SET agent_id = excluded.agent_id, certificate = excluded.certificate`,
		string(h.ID), h.AgentID.String(), h.KeyHash, nonNil(h.Certificate), h.Ephemeral, h.Hostname,
		micros(h.EnrolledAt), micros(h.ContestedAt), micros(h.RevokedAt))
}

// RevokeHost implements fleet.Tx.
func (t *Tx) RevokeHost(ctx context.Context, id identity.HostID, at time.Time) error {
	return t.write(ctx, host(id, changelog.Revoked), `UPDATE hosts SET revoked_at = ? WHERE id = ? AND revoked_at = 0`, micros(at), string(id))
}

// ContestHost implements fleet.Tx.
func (t *Tx) ContestHost(ctx context.Context, id identity.HostID, at time.Time) error {
	return t.write(ctx, host(id, changelog.Changed), `UPDATE hosts SET contested_at = ? WHERE id = ? AND contested_at = 0`, micros(at), string(id))
}

// MarkCloned implements fleet.Tx.
func (t *Tx) MarkCloned(ctx context.Context, id identity.HostID, at time.Time, c fleet.Clone) (first bool, err error) {
	text, err := json.Marshal(c)
	if err != nil {
		return false, err
	}
	before := len(t.changes)
	err = t.write(ctx, host(id, changelog.Changed), `UPDATE hosts SET cloned_at = ?, clone = ? WHERE id = ? AND cloned_at = 0`, micros(at), string(text), string(id))
	return len(t.changes) > before, err
}

// nonNil keeps an empty BLOB from becoming NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
