package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// policyTestColumns are in the order of scanPolicyTest.
const policyTestColumns = `id, subject, target, network_id, expect, note, created_at, revision`

func scanPolicyTest(row scanner) (t policy.Test, err error) {
	var text policy.TestText
	var created, revision int64
	err = row.Scan(&text.ID, &text.Subject, &text.Target, &text.NetworkID, &text.Expect, &text.Note, &created, &revision)
	if errors.Is(err, sql.ErrNoRows) {
		return t, fleet.ErrNotFound
	}
	if err != nil {
		return t, err
	}
	if t, err = text.Parse(); err != nil {
		return t, fmt.Errorf("policy test %s: %w", text.ID, err)
	}
	t.CreatedAt, t.Revision = moment(created), revision
	return t, nil
}

func onePolicyTest(ctx context.Context, q querier, id string) (policy.Test, error) {
	return scanPolicyTest(q.QueryRowContext(ctx, `SELECT `+policyTestColumns+` FROM policy_tests WHERE id = ?`, id))
}

// PolicyTestByID implements policy.TestsStore.
func (s *Store) PolicyTestByID(ctx context.Context, id string) (policy.Test, error) {
	return onePolicyTest(ctx, s.db, id)
}

// PolicyTest implements policy.TestsTx.
func (t *Tx) PolicyTest(ctx context.Context, id string) (policy.Test, error) {
	return onePolicyTest(ctx, t.sql, id)
}

// PolicyTests lists all policy tests by id.
func (s *Store) PolicyTests(ctx context.Context) ([]policy.Test, error) {
	return collect(ctx, s.db, scanPolicyTest, `SELECT `+policyTestColumns+` FROM policy_tests ORDER BY id`)
}

// PolicyTestPage implements policy.TestsStore.
func (s *Store) PolicyTestPage(ctx context.Context, q policy.TestQuery) (fleet.Page[policy.Test], error) {
	key := sortKey[policy.Test]{"id", func(t policy.Test) string { return t.ID }, textKey}
	switch q.Sort { //nolint:exhaustive // those of the fleet
	case policy.BySubject:
		key = sortKey[policy.Test]{"subject", func(t policy.Test) string { return t.Subject.String() }, textKey}
	case policy.ByTarget:
		key = sortKey[policy.Test]{"target", func(t policy.Test) string { return t.Target.String() }, textKey}
	}
	p := &paged{table: "policy_tests", columns: policyTestColumns, key: key.column, descending: q.Descending}
	if q.Subject != "" {
		p.where("subject = ?", q.Subject)
	}
	if q.Search != "" {
		text := strings.ToLower(q.Search)
		p.where("(instr(id, ?) OR instr(lower(subject), ?) OR instr(target, ?) OR instr(lower(note), ?))", text, text, text, text)
	}
	return accessPage(ctx, s.db, scanPolicyTest, p, q.Query, key, func(t policy.Test) string { return t.ID })
}

// CountPolicyTests implements policy.TestsTx.
func (t *Tx) CountPolicyTests(ctx context.Context) (n int, err error) {
	err = t.sql.QueryRowContext(ctx, `SELECT count(*) FROM policy_tests`).Scan(&n)
	return n, err
}

func policyTestChange(id string, op changelog.Op) changelog.Change {
	return changelog.Change{Kind: changelog.PolicyTest, ID: id, Op: op}
}

// policyTestArgs are in the order of policyTestColumns, without id and created_at.
func policyTestArgs(t policy.Test) []any {
	text := t.Text()
	return []any{text.Subject, text.Target, text.NetworkID, text.Expect, text.Note, t.Revision}
}

// InsertPolicyTest implements policy.TestsTx.
func (t *Tx) InsertPolicyTest(ctx context.Context, p policy.Test) error {
	return t.write(ctx, policyTestChange(p.ID, changelog.Created),
		`INSERT INTO policy_tests (subject, target, network_id, expect, note, revision, id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		append(policyTestArgs(p), p.ID, micros(p.CreatedAt))...)
}

// UpdatePolicyTest implements policy.TestsTx.
func (t *Tx) UpdatePolicyTest(ctx context.Context, p policy.Test) error {
	return t.write(ctx, policyTestChange(p.ID, changelog.Changed),
		`UPDATE policy_tests SET subject = ?, target = ?, network_id = ?, expect = ?, note = ?, revision = ? WHERE id = ?`, append(policyTestArgs(p), p.ID)...)
}

// DeletePolicyTest implements policy.TestsTx.
func (t *Tx) DeletePolicyTest(ctx context.Context, id string) error {
	return t.write(ctx, policyTestChange(id, changelog.Deleted), `DELETE FROM policy_tests WHERE id = ?`, id)
}

// Pending implements policy.CheckTx.
func (t *Tx) Pending() []changelog.Change { return t.changes }

// Guard has check look at each transaction of FleetTx and RulesTx before its commit, which
// an error of it prevents. Transactions of EnrollTx are not checked: whether a host is
// enrolled must not depend on what operators expect of it. One check replaces another.
func (s *Store) Guard(check func(ctx context.Context, tx policy.CheckTx) error) {
	s.guard.Store(&check)
}

// guarded is tx with the check of Guard at its end.
func (s *Store) guarded(ctx context.Context, fn func(*Tx) error) error {
	return s.tx(ctx, func(t *Tx) error {
		if err := fn(t); err != nil {
			return err
		}
		if check := s.guard.Load(); check != nil {
			return (*check)(ctx, t)
		}
		return nil
	})
}
