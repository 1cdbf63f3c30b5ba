package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// resourceColumns are in the order of scanResource.
const resourceColumns = `id, network_id, name, hosts, ports, alias, labels, proxy_protocol, created_at, revision`

func scanResource(row scanner) (r policy.Resource, err error) {
	var text access.ResourceText
	var hosts, ports, labels string
	var created int64
	err = row.Scan(&text.ID, &text.NetworkID, &text.Name, &hosts, &ports, &text.Alias, &labels, &text.ProxyProtocol, &created, &r.Revision)
	if errors.Is(err, sql.ErrNoRows) {
		return r, fleet.ErrNotFound
	}
	if err != nil {
		return r, err
	}
	r.CreatedAt = moment(created)
	if text.Hosts, err = parseTexts(hosts); err != nil {
		return r, err
	}
	if text.Ports, err = parseTexts(ports); err != nil {
		return r, err
	}
	if text.Labels, err = parseLabels(labels); err != nil {
		return r, err
	}
	if r.Resource, err = text.Parse(); err != nil {
		return r, fmt.Errorf("resource %s: %w", text.ID, err)
	}
	return r, nil
}

// grantColumns are in the order of scanGrant.
const grantColumns = `id, subject, object, ends_at, time_zone, windows, created_at, revision`

// scanGrants reads rows with the time zones that they share.
func scanGrants() func(scanner) (policy.Grant, error) {
	zones := new(access.Zones)
	return func(row scanner) (g policy.Grant, err error) {
		var text access.GrantText
		var windows string
		var ends, created int64
		err = row.Scan(&text.ID, &text.Subject, &text.Object, &ends, &text.TimeZone, &windows, &created, &g.Revision)
		if errors.Is(err, sql.ErrNoRows) {
			return g, fleet.ErrNotFound
		}
		if err != nil {
			return g, err
		}
		text.Until, g.CreatedAt = moment(ends), moment(created)
		if text.Windows, err = parseTexts(windows); err != nil {
			return g, err
		}
		if g.Grant, err = text.Parse(zones); err != nil {
			return g, fmt.Errorf("grant %s: %w", text.ID, err)
		}
		return g, nil
	}
}

// texts is a column that is a JSON list.
func texts(list []string) (string, error) {
	if len(list) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

func parseTexts(column string) (list []string, err error) {
	if column == "[]" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(column), &list)
	return list, err
}

// RulesTx implements policy.RulesStore.
func (s *Store) RulesTx(ctx context.Context, fn func(policy.RulesTx) error) error {
	return s.guarded(ctx, func(t *Tx) error { return fn(t) })
}

// ResourceByID implements policy.RulesStore.
func (s *Store) ResourceByID(ctx context.Context, id string) (policy.Resource, error) {
	return oneResource(ctx, s.db, id)
}

// Resource implements policy.ResourcesTx.
func (t *Tx) Resource(ctx context.Context, id string) (policy.Resource, error) {
	return oneResource(ctx, t.sql, id)
}

func oneResource(ctx context.Context, q querier, id string) (policy.Resource, error) {
	return scanResource(q.QueryRowContext(ctx, `SELECT `+resourceColumns+` FROM resources WHERE id = ?`, id))
}

// Resources lists all resources by id.
func (s *Store) Resources(ctx context.Context) ([]policy.Resource, error) {
	return collect(ctx, s.db, scanResource, `SELECT `+resourceColumns+` FROM resources ORDER BY id`)
}

// ResourcePage implements policy.RulesStore.
func (s *Store) ResourcePage(ctx context.Context, q policy.ResourceQuery) (fleet.Page[policy.Resource], error) {
	key := sortKey[policy.Resource]{"id", func(r policy.Resource) string { return r.ID }, textKey}
	if q.Sort == policy.ByName {
		key = sortKey[policy.Resource]{"name", func(r policy.Resource) string { return r.Name }, textKey}
	}
	p := &paged{table: "resources", columns: resourceColumns, key: key.column, descending: q.Descending}
	if q.NetworkID != "" {
		p.where("network_id = ?", q.NetworkID)
	}
	for _, l := range q.Labels {
		p.where("EXISTS (SELECT 1 FROM json_each(labels) l WHERE l.key = ? AND l.value = ?)", l.Key, l.Value)
	}
	if q.Search != "" {
		text := strings.ToLower(q.Search)
		p.where("(instr(id, ?) OR instr(lower(name), ?) OR instr(hosts, ?) OR instr(alias, ?))", text, text, text, text)
	}
	return accessPage(ctx, s.db, scanResource, p, q.Query, key, func(r policy.Resource) string { return r.ID })
}

// accessPage reads the page that q asks for.
func accessPage[T any](
	ctx context.Context, db querier, scan func(scanner) (T, error), p *paged, q fleet.Query, key sortKey[T], id func(T) string,
) (fleet.Page[T], error) {
	return pageOf(ctx, db, scan, p, enroll.PageQuery[string]{After: q.After, Limit: q.Limit}, key, id)
}

// CountResources implements policy.ResourcesTx.
func (t *Tx) CountResources(ctx context.Context) (n int, err error) {
	err = t.sql.QueryRowContext(ctx, `SELECT count(*) FROM resources`).Scan(&n)
	return n, err
}

// ResourceWithAlias implements policy.ResourcesTx.
func (t *Tx) ResourceWithAlias(ctx context.Context, alias string) (id string, err error) {
	err = t.sql.QueryRowContext(ctx, `SELECT id FROM resources WHERE alias = ? AND alias <> ''`, alias).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// ResourcesIn implements fleet.NetworksTx.
func (t *Tx) ResourcesIn(ctx context.Context, network string, limit int) (first []string, total int, err error) {
	return firstOf(ctx, t.sql, ` FROM resources WHERE network_id = ?`, network, limit)
}

// firstOf lists the first ids of a selection and counts all of it.
func firstOf(ctx context.Context, q querier, from, arg string, limit int) (first []string, total int, err error) {
	if err := q.QueryRowContext(ctx, `SELECT count(*)`+from, arg).Scan(&total); err != nil {
		return nil, 0, err
	}
	first, err = collect(ctx, q, scanID, `SELECT id`+from+` ORDER BY id LIMIT ?`, arg, limit)
	return first, total, err
}

func resourceChange(id string, op changelog.Op) changelog.Change {
	return changelog.Change{Kind: changelog.Resource, ID: id, Op: op}
}

// resourceArgs are in the order of resourceColumns, without id and created_at.
func resourceArgs(r policy.Resource) (args []any, err error) {
	text := r.Text()
	hosts, err := texts(text.Hosts)
	if err != nil {
		return nil, err
	}
	ports, err := texts(text.Ports)
	if err != nil {
		return nil, err
	}
	labels, err := labelsText(text.Labels)
	return []any{text.NetworkID, text.Name, hosts, ports, text.Alias, labels, text.ProxyProtocol, r.Revision}, err
}

// InsertResource implements policy.ResourcesTx.
func (t *Tx) InsertResource(ctx context.Context, r policy.Resource) error {
	args, err := resourceArgs(r)
	if err != nil {
		return err
	}
	return t.write(ctx, resourceChange(r.ID, changelog.Created),
		`INSERT INTO resources (network_id, name, hosts, ports, alias, labels, proxy_protocol, revision, id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		append(args, r.ID, micros(r.CreatedAt))...)
}

// UpdateResource implements policy.ResourcesTx.
func (t *Tx) UpdateResource(ctx context.Context, r policy.Resource) error {
	args, err := resourceArgs(r)
	if err != nil {
		return err
	}
	return t.write(ctx, resourceChange(r.ID, changelog.Changed),
		`UPDATE resources SET network_id = ?, name = ?, hosts = ?, ports = ?, alias = ?, labels = ?, proxy_protocol = ?, revision = ? WHERE id = ?`, append(args, r.ID)...)
}

// DeleteResource implements policy.ResourcesTx.
func (t *Tx) DeleteResource(ctx context.Context, id string) error {
	return t.write(ctx, resourceChange(id, changelog.Deleted), `DELETE FROM resources WHERE id = ?`, id)
}

// GrantByID implements policy.RulesStore.
func (s *Store) GrantByID(ctx context.Context, id string) (policy.Grant, error) {
	return oneGrant(ctx, s.db, id)
}

// Grant implements policy.GrantsTx.
func (t *Tx) Grant(ctx context.Context, id string) (policy.Grant, error) {
	return oneGrant(ctx, t.sql, id)
}

func oneGrant(ctx context.Context, q querier, id string) (policy.Grant, error) {
	return scanGrants()(q.QueryRowContext(ctx, `SELECT `+grantColumns+` FROM grants WHERE id = ?`, id))
}

// Grants lists all grants by id.
func (s *Store) Grants(ctx context.Context) ([]policy.Grant, error) {
	return collect(ctx, s.db, scanGrants(), `SELECT `+grantColumns+` FROM grants ORDER BY id`)
}

// grantKey is what a query orders grants by. One that never ends is after all others.
func grantKey(sort fleet.Sort) sortKey[policy.Grant] {
	switch sort { //nolint:exhaustive // those of the fleet
	case policy.BySubject:
		return sortKey[policy.Grant]{"subject", func(g policy.Grant) string { return g.Subject.String() }, textKey}
	case policy.ByObject:
		return sortKey[policy.Grant]{"object", func(g policy.Grant) string { return g.Object.String() }, textKey}
	case policy.ByUntil:
		return sortKey[policy.Grant]{"CASE ends_at WHEN 0 THEN " + noEnd + " ELSE ends_at END", func(g policy.Grant) string {
			if g.Until.IsZero() {
				return noEnd
			}
			return microsText(g.Until)
		}, numberKey}
	default:
		return sortKey[policy.Grant]{"id", func(g policy.Grant) string { return g.ID }, textKey}
	}
}

// noEnd is after all times, in microseconds.
var noEnd = microsText(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))

// GrantPage implements policy.RulesStore.
func (s *Store) GrantPage(ctx context.Context, q policy.GrantQuery) (fleet.Page[policy.Grant], error) {
	key := grantKey(q.Sort)
	p := &paged{table: "grants", columns: grantColumns, key: key.column, descending: q.Descending}
	if q.Subject != "" {
		p.where("subject = ?", q.Subject)
	}
	if q.Object != "" {
		p.where("object = ?", q.Object)
	}
	if q.Search != "" {
		text := strings.ToLower(q.Search)
		p.where("(instr(id, ?) OR instr(lower(subject), ?) OR instr(lower(object), ?))", text, text, text)
	}
	return accessPage(ctx, s.db, scanGrants(), p, q.Query, key, func(g policy.Grant) string { return g.ID })
}

// ResourcesLabelled implements policy.DocumentTx.
func (t *Tx) ResourcesLabelled(ctx context.Context, l access.Label) ([]policy.Resource, error) {
	return collect(ctx, t.sql, scanResource,
		`SELECT `+resourceColumns+` FROM resources WHERE EXISTS (SELECT 1 FROM json_each(labels) l WHERE l.key = ? AND l.value = ?) ORDER BY id`, l.Key, l.Value)
}

// GrantsTo implements policy.DocumentTx.
func (t *Tx) GrantsTo(ctx context.Context, o access.Object) ([]policy.Grant, error) {
	return collect(ctx, t.sql, scanGrants(), `SELECT `+grantColumns+` FROM grants WHERE object = ? ORDER BY id`, o.String())
}

// CountGrants implements policy.GrantsTx.
func (t *Tx) CountGrants(ctx context.Context) (n int, err error) {
	err = t.sql.QueryRowContext(ctx, `SELECT count(*) FROM grants`).Scan(&n)
	return n, err
}

// GrantsOf implements policy.GrantsTx.
func (t *Tx) GrantsOf(ctx context.Context, object access.Object, limit int) (first []string, total int, err error) {
	return firstOf(ctx, t.sql, ` FROM grants WHERE object = ?`, object.String(), limit)
}

func grantChange(id string, op changelog.Op) changelog.Change {
	return changelog.Change{Kind: changelog.Grant, ID: id, Op: op}
}

// grantArgs are in the order of grantColumns, without id and created_at.
func grantArgs(g policy.Grant) (args []any, err error) {
	text := g.Text()
	windows, err := texts(text.Windows)
	return []any{text.Subject, text.Object, micros(text.Until), text.TimeZone, windows, g.Revision}, err
}

// InsertGrant implements policy.GrantsTx.
func (t *Tx) InsertGrant(ctx context.Context, g policy.Grant) error {
	args, err := grantArgs(g)
	if err != nil {
		return err
	}
	return t.write(ctx, grantChange(g.ID, changelog.Created),
		`INSERT INTO grants (subject, object, ends_at, time_zone, windows, revision, id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, append(args, g.ID, micros(g.CreatedAt))...)
}

// UpdateGrant implements policy.GrantsTx.
func (t *Tx) UpdateGrant(ctx context.Context, g policy.Grant) error {
	args, err := grantArgs(g)
	if err != nil {
		return err
	}
	return t.write(ctx, grantChange(g.ID, changelog.Changed),
		`UPDATE grants SET subject = ?, object = ?, ends_at = ?, time_zone = ?, windows = ?, revision = ? WHERE id = ?`, append(args, g.ID)...)
}

// DeleteGrant implements policy.GrantsTx.
func (t *Tx) DeleteGrant(ctx context.Context, id string) error {
	return t.write(ctx, grantChange(id, changelog.Deleted), `DELETE FROM grants WHERE id = ?`, id)
}

var _ policy.RulesStore = (*Store)(nil)
