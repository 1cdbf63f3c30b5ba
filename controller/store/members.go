package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unique"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// table is where members of a kind are kept.
func table(k identity.Kind) (string, error) {
	switch k {
	case identity.KindConnector:
		return "connectors", nil
	case identity.KindTunneler:
		return "tunnelers", nil
	default:
		return "", fmt.Errorf("kind %q is not stored", k)
	}
}

// memberColumns are the columns that connectors and tunnelers share, in the order
// of memberRow, of what membersOf reads. A tunneler's version is what was reported of
// it last.
const memberColumns = `m.id, m.host_id, m.selectors, COALESCE(NULLIF(s.version, ''), m.version),
	m.enrolled_at, m.revoked_at, m.first_seen_at, COALESCE(s.at, 0), m.name, m.labels, m.notes, m.revision`

// membersOf is what members of a kind are read from.
func membersOf(k identity.Kind, tab string) string {
	return tab + ` m LEFT JOIN last_seen s ON s.kind = '` + string(k) + `' AND s.id = m.id`
}

// memberRow scans memberColumns.
type memberRow struct {
	m                           fleet.Member
	selectors, labels           string
	enrolled, revoked, from, to int64
}

func (r *memberRow) dest(more ...any) []any {
	return append([]any{
		&r.m.ID, &r.m.HostID, &r.selectors, &r.m.Version, &r.enrolled, &r.revoked, &r.from, &r.to,
		&r.m.About.Name, &r.labels, &r.m.About.Notes, &r.m.About.Revision,
	}, more...)
}

func (r *memberRow) member(k identity.Kind) (fleet.Member, error) {
	r.m.Kind, r.m.Version = k, unique.Make(r.m.Version).Value() // many have the same
	r.m.EnrolledAt, r.m.RevokedAt = moment(r.enrolled), moment(r.revoked)
	r.m.FirstSeenAt, r.m.LastSeenAt = moment(r.from), moment(r.to)
	var err error
	if r.m.About.Labels, err = parseLabels(r.labels); err != nil {
		return fleet.Member{}, fmt.Errorf("labels of %s: %w", r.m.Workload, err)
	}
	var texts []string
	if err := json.Unmarshal([]byte(r.selectors), &texts); err != nil {
		return fleet.Member{}, fmt.Errorf("selectors of %s: %w", r.m.Workload, err)
	}
	for _, t := range texts {
		s, err := fleet.ParseSelector(unique.Make(t).Value()) // those of one kind have the same
		if err != nil {
			return fleet.Member{}, fmt.Errorf("selectors of %s: %w", r.m.Workload, err)
		}
		r.m.Selectors = append(r.m.Selectors, s)
	}
	return r.m, nil
}

func scanMember(k identity.Kind) func(scanner) (fleet.Member, error) {
	return func(s scanner) (fleet.Member, error) {
		var r memberRow
		if err := s.Scan(r.dest()...); err != nil {
			return fleet.Member{}, err
		}
		return r.member(k)
	}
}

// Member implements fleet.Tx.
func (t *Tx) Member(ctx context.Context, w identity.Workload) (fleet.Member, error) {
	tab, err := table(w.Kind)
	if err != nil {
		return fleet.Member{}, err
	}
	m, err := scanMember(w.Kind)(t.sql.QueryRowContext(ctx, `SELECT `+memberColumns+` FROM `+membersOf(w.Kind, tab)+` WHERE m.id = ?`, w.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.Member{}, fleet.ErrNotFound
	}
	return m, err
}

// LiveMembersOf implements fleet.Tx.
func (t *Tx) LiveMembersOf(ctx context.Context, id identity.HostID) ([]fleet.Member, error) {
	var all []fleet.Member
	for _, k := range []identity.Kind{identity.KindConnector, identity.KindTunneler} {
		tab, err := table(k)
		if err != nil {
			return nil, err
		}
		some, err := collect(ctx, t.sql, scanMember(k),
			`SELECT `+memberColumns+` FROM `+membersOf(k, tab)+` WHERE m.host_id = ? AND m.revoked_at = 0`, string(id))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// MembersLabelled implements fleet.Store.
func (s *Store) MembersLabelled(ctx context.Context, labels []access.Label, kind identity.Kind, most int) ([]fleet.Member, error) {
	return membersLabelled(ctx, s.db, labels, kind, most)
}

// MembersLabelled implements fleet.Tx.
func (t *Tx) MembersLabelled(ctx context.Context, labels []access.Label, kind identity.Kind, most int) ([]fleet.Member, error) {
	return membersLabelled(ctx, t.sql, labels, kind, most)
}

// membersLabelled looks at each member that has any label: labels have no index in SQL.
func membersLabelled(ctx context.Context, q querier, labels []access.Label, kind identity.Kind, most int) (all []fleet.Member, err error) {
	conditions, args := "m.revoked_at = 0 AND m.labels <> '{}'", []any{}
	for _, l := range labels {
		conditions += " AND EXISTS (SELECT 1 FROM json_each(m.labels) l WHERE l.key = ? AND l.value = ?)"
		args = append(args, l.Key, l.Value)
	}
	for _, k := range []identity.Kind{identity.KindConnector, identity.KindTunneler} {
		if kind != "" && kind != k {
			continue
		}
		tab, err := table(k)
		if err != nil {
			return nil, err
		}
		some, err := collect(ctx, q, scanMember(k), `SELECT `+memberColumns+` FROM `+membersOf(k, tab)+` WHERE `+conditions+` ORDER BY m.id LIMIT ?`, append(args, most)...)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// PutMember implements enroll.Tx: a new member, or a former one's id used again.
// What was known of the former one is gone. LastSeenAt is not written.
func (t *Tx) PutMember(ctx context.Context, m fleet.Member) error {
	tab, err := table(m.Kind)
	if err != nil {
		return err
	}
	texts := make([]string, 0, len(m.Selectors))
	for _, s := range m.Selectors {
		texts = append(texts, s.String())
	}
	selectors, err := json.Marshal(texts)
	if err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM ` + tab + ` WHERE id = ?`,
		`DELETE FROM last_seen WHERE kind = '` + string(m.Kind) + `' AND id = ?`,
	} {
		if _, err := t.sql.ExecContext(ctx, query, m.ID); err != nil {
			return err
		}
	}
	labels, err := labelsText(m.About.Labels)
	if err != nil {
		return err
	}
	return t.write(ctx, member(m.Workload, changelog.Created), `INSERT INTO `+tab+
		` (id, host_id, selectors, version, enrolled_at, revoked_at, first_seen_at, name, labels, notes, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, string(m.HostID), string(selectors), m.Version, micros(m.EnrolledAt), micros(m.RevokedAt), micros(m.FirstSeenAt),
		m.About.Name, labels, m.About.Notes, max(1, m.About.Revision))
}

// RevokeMember implements fleet.Tx.
func (t *Tx) RevokeMember(ctx context.Context, w identity.Workload, at time.Time) error {
	tab, err := table(w.Kind)
	if err != nil {
		return err
	}
	return t.write(ctx, member(w, changelog.Revoked), `UPDATE `+tab+` SET revoked_at = ? WHERE id = ? AND revoked_at = 0`, micros(at), w.ID)
}

// FirstSeen implements fleet.Tx.
func (t *Tx) FirstSeen(ctx context.Context, w identity.Workload, at time.Time) error {
	tab, err := table(w.Kind)
	if err != nil {
		return err
	}
	return t.write(ctx, member(w, changelog.Changed), `UPDATE `+tab+` SET first_seen_at = ? WHERE id = ? AND first_seen_at = 0`, micros(at), w.ID)
}

// SaveHello implements fleet.Tx. The order of the addresses is the connector's
// preference.
func (t *Tx) SaveHello(ctx context.Context, h fleet.Hello) (changed bool, err error) {
	addresses, err := json.Marshal(append([]string{}, h.Addresses...)) // "[]" rather than "null"
	if err != nil {
		return false, err
	}
	var before string
	if err := t.sql.QueryRowContext(ctx, `SELECT addresses FROM connectors WHERE id = ?`, h.ID).Scan(&before); err != nil {
		return false, err
	}
	// Most hellos say what the one before said: those are no change.
	w := identity.Workload{Kind: identity.KindConnector, ID: h.ID}
	err = t.write(ctx, member(w, changelog.Changed), `UPDATE connectors SET version = ?, private_ip = ?, addresses = ?
		WHERE id = ? AND (version <> ? OR private_ip <> ? OR addresses <> ?)`,
		h.Version, h.PrivateIP, string(addresses), h.ID, h.Version, h.PrivateIP, string(addresses))
	return before != string(addresses), err
}

// What connectors and tunnelers are read from, in the order of scanConnector and
// scanTunneler.
var (
	connectorsWhere = `SELECT ` + memberColumns + `, m.private_ip, m.addresses, m.network_id, h.contested_at <> 0, h.clone
		FROM ` + membersOf(identity.KindConnector, "connectors") + ` JOIN hosts h ON h.id = m.host_id `
	tunnelersWhere = `SELECT ` + memberColumns + `, COALESCE(s.connector, ''), h.contested_at <> 0, h.clone
		FROM ` + membersOf(identity.KindTunneler, "tunnelers") + ` JOIN hosts h ON h.id = m.host_id `
)

func scanConnector(row scanner) (fleet.Connector, error) {
	var r memberRow
	var c fleet.Connector
	var addresses string
	var clone string
	if err := row.Scan(r.dest(&c.PrivateIP, &addresses, &c.NetworkID, &c.Contested, &clone)...); err != nil {
		return c, err
	}
	var err error
	if c.Clone, err = parseClone(clone); err != nil {
		return c, fmt.Errorf("clone of connector/%s: %w", r.m.ID, err)
	}
	if err := json.Unmarshal([]byte(addresses), &c.Addresses); err != nil {
		return c, fmt.Errorf("addresses of connector/%s: %w", r.m.ID, err)
	}
	c.Member, err = r.member(identity.KindConnector)
	return c, err
}

func scanTunneler(row scanner) (fleet.Tunneler, error) {
	var r memberRow
	var t fleet.Tunneler
	var clone string
	if err := row.Scan(r.dest(&t.ConnectorID, &t.Contested, &clone)...); err != nil {
		return t, err
	}
	var err error
	if t.Clone, err = parseClone(clone); err != nil {
		return t, fmt.Errorf("clone of tunneler/%s: %w", r.m.ID, err)
	}
	t.Member, err = r.member(identity.KindTunneler)
	return t, err
}

// Connectors implements fleet.Store.
func (s *Store) Connectors(ctx context.Context) ([]fleet.Connector, error) {
	return collect(ctx, s.db, scanConnector, connectorsWhere+`ORDER BY m.id`)
}

// Tunnelers implements fleet.Store.
func (s *Store) Tunnelers(ctx context.Context) ([]fleet.Tunneler, error) {
	return collect(ctx, s.db, scanTunneler, tunnelersWhere+`ORDER BY m.id`)
}
