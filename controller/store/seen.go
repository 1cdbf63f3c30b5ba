package store

import (
	"context"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// seenAtOnce is how many last-seen times one statement writes.
const seenAtOnce = 100

// SaveSeen implements presence.Store. Times only grow. A member that is not there is
// passed over, and so is what was reported before it was enrolled: that was a former holder
// of its id.
func (s *Store) SaveSeen(ctx context.Context, seen []presence.Seen) error {
	byKind := map[identity.Kind][]presence.Seen{}
	for _, n := range seen {
		if _, err := table(n.Workload.Kind); err != nil {
			return err
		}
		byKind[n.Workload.Kind] = append(byKind[n.Workload.Kind], n)
	}
	if len(seen) == 0 {
		return nil
	}
	return s.tx(ctx, func(t *Tx) error {
		for kind, all := range byKind {
			for some := range slices.Chunk(all, seenAtOnce) {
				if err := t.saveSeen(ctx, kind, some); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// saveSeen writes those of one kind. A connector says its version in its hello.
func (t *Tx) saveSeen(ctx context.Context, kind identity.Kind, some []presence.Seen) error {
	tab, err := table(kind)
	if err != nil {
		return err
	}
	args := make([]any, 0, 4*len(some))
	var fresh []any
	for _, n := range some {
		if kind == identity.KindConnector {
			n.Version, n.Connector = "", ""
		}
		args = append(args, n.Workload.ID, micros(n.At), n.Version, n.Connector)
		if n.First {
			fresh = append(fresh, n.Workload.ID)
		}
	}
	rows := strings.Repeat(", (?, CAST(? AS BIGINT), ?, ?)", len(some))[2:]
	if _, err := t.sql.ExecContext(ctx, `WITH reported (id, at, version, connector) AS (VALUES `+rows+`)
		INSERT INTO last_seen (kind, id, at, version, connector)
		SELECT '`+string(kind)+`', h.id, h.at, h.version, h.connector FROM reported h JOIN `+tab+` m ON m.id = h.id WHERE h.at >= m.enrolled_at
		ON CONFLICT (kind, id) DO UPDATE SET
			at = CASE WHEN excluded.at > last_seen.at THEN excluded.at ELSE last_seen.at END,
			version = CASE WHEN excluded.version = '' THEN last_seen.version ELSE excluded.version END,
			connector = excluded.connector`, args...); err != nil {
		return err
	}
	if len(fresh) == 0 {
		return nil
	}
	places := strings.Repeat(", ?", len(fresh))[2:]
	//nolint:gosec // names of tables and kinds, and placeholders
	_, err = t.sql.ExecContext(ctx, `UPDATE `+tab+` SET first_seen_at =
			(SELECT s.at FROM last_seen s WHERE s.kind = '`+string(kind)+`' AND s.id = `+tab+`.id)
		WHERE first_seen_at = 0 AND id IN (`+places+`)
			AND EXISTS (SELECT 1 FROM last_seen s WHERE s.kind = '`+string(kind)+`' AND s.id = `+tab+`.id)`, fresh...)
	return err
}
