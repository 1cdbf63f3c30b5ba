package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// changesAtOnce is how many rows of the change log one statement writes.
const changesAtOnce = 100

func host(id identity.HostID, op changelog.Op) changelog.Change {
	return changelog.Change{Kind: changelog.Host, ID: string(id), Op: op}
}

func member(w identity.Workload, op changelog.Op) changelog.Change {
	return changelog.Change{Kind: changelog.Kind(w.Kind), ID: w.ID, Op: op}
}

// write runs a statement, and notes the change unless it met no row.
func (t *Tx) write(ctx context.Context, c changelog.Change, query string, args ...any) error {
	r, err := t.sql.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if n > 0 {
		t.changed(c.Kind, c.ID, c.Op)
	}
	return err
}

// changed has the transaction write a row of the change log before its commit.
func (t *Tx) changed(kind changelog.Kind, id string, op changelog.Op) {
	t.changes = append(t.changes, changelog.Change{Kind: kind, ID: id, Op: op})
}

// writeChanges writes what the transaction has noted. The counter is locked from here
// to the commit, by any engine: positions grow in the order of the commits, so a reader
// that has one has everything before it, and one that was rolled back leaves no hole.
func (t *Tx) writeChanges(ctx context.Context) error {
	rows := inOrder(t.changes)
	if len(rows) == 0 {
		return nil
	}
	var last uint64
	err := t.sql.QueryRowContext(ctx, `UPDATE meta SET value = value + ? WHERE name = 'change_position' RETURNING value`, len(rows)).Scan(&last)
	if err != nil {
		return err
	}
	seq := last - uint64(len(rows))
	for some := range slices.Chunk(rows, changesAtOnce) {
		args := make([]any, 0, 4*len(some))
		for _, c := range some {
			seq++
			args = append(args, seq, string(c.Kind), c.ID, string(c.Op))
		}
		places := strings.Repeat(", (?, ?, ?, ?)", len(some))[2:]
		if _, err := t.sql.ExecContext(ctx, `INSERT INTO changes (seq, kind, id, op) VALUES `+places, args...); err != nil { //nolint:gosec // only placeholders
			return err
		}
	}
	return nil
}

// inOrder has each change once, and revisions of the policy at the end.
func inOrder(noted []changelog.Change) []changelog.Change {
	var rows, policies []changelog.Change
	seen := make(map[changelog.Change]struct{}, len(noted))
	for _, c := range noted {
		if _, twice := seen[c]; twice {
			continue
		}
		seen[c] = struct{}{}
		if c.Kind == changelog.Policy {
			policies = append(policies, c)
		} else {
			rows = append(rows, c)
		}
	}
	return append(rows, policies...)
}

// ChangePosition implements changelog.Log.
func (s *Store) ChangePosition(ctx context.Context) (position uint64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'change_position'`).Scan(&position)
	return position, err
}

// Changes implements changelog.Log.
func (s *Store) Changes(ctx context.Context, after uint64, limit int) ([]changelog.Change, error) {
	return collect(ctx, s.db, func(row scanner) (c changelog.Change, err error) {
		err = row.Scan(&c.Seq, &c.Kind, &c.ID, &c.Op)
		return c, err
	}, `SELECT seq, kind, id, op FROM changes WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
}

// SubscribeChanges implements changelog.Log.
func (s *Store) SubscribeChanges() (<-chan struct{}, func()) { return s.news.Subscribe() }

// PruneChanges deletes all but the newest changes. The counter stays: whoever had not
// read them sees that they are gone.
func (s *Store) PruneChanges(ctx context.Context, keep uint64) error {
	last, err := s.ChangePosition(ctx)
	if err != nil || last <= keep {
		return err
	}
	if _, err := s.db.ExecContext(ctx, `DELETE FROM changes WHERE seq <= ?`, last-keep); err != nil {
		return fmt.Errorf("prune change log: %w", err)
	}
	return nil
}

func scanID(row scanner) (id string, err error) {
	err = row.Scan(&id)
	return id, err
}

var _ changelog.Log = (*Store)(nil)
