package store

import (
	"context"
	"database/sql"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// renewalsAtOnce is how many rows one statement writes.
const renewalsAtOnce = 100

// AppendRenewals implements audit.RenewalStore.
func (s *Store) AppendRenewals(ctx context.Context, all []audit.Renewal) (added int, err error) {
	err = s.tx(ctx, func(t *Tx) error {
		added, err = t.appendRenewals(ctx, all)
		return err
	})
	return added, err
}

// renewalRow is a renewal with the numbers of its names.
type renewalRow struct {
	audit.Renewal
	member, authority int64
}

func (t *Tx) appendRenewals(ctx context.Context, all []audit.Renewal) (added int, err error) {
	names, newest := map[string]int64{}, map[string]string{}
	var rows []renewalRow
	for _, r := range all {
		row := renewalRow{Renewal: r}
		if row.member, err = t.name(ctx, names, r.Member); err != nil {
			return 0, err
		}
		if row.authority, err = t.name(ctx, names, r.Authority); err != nil {
			return 0, err
		}
		if _, read := newest[r.Member]; !read {
			if newest[r.Member], err = t.newestSerial(ctx, row.member); err != nil {
				return 0, err
			}
		}
		if newest[r.Member] == r.Serial {
			continue // seen before this controller started
		}
		newest[r.Member] = r.Serial
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	var last int64
	if err := t.sql.QueryRowContext(ctx, `UPDATE meta SET value = value + ? WHERE name = 'svid_renewals' RETURNING value`, len(rows)).Scan(&last); err != nil {
		return 0, err
	}
	return len(rows), t.insertRenewals(ctx, rows, last-int64(len(rows)))
}

func (t *Tx) insertRenewals(ctx context.Context, rows []renewalRow, seq int64) error {
	for some := range slices.Chunk(rows, renewalsAtOnce) {
		args := make([]any, 0, 6*len(some))
		for _, r := range some {
			seq++
			args = append(args, seq, r.Time.UnixMilli(), r.member, packSerial(r.Serial), r.authority, r.NotAfter.Unix())
		}
		places := strings.Repeat(", (?, ?, ?, ?, ?, ?)", len(some))[2:]
		if _, err := t.sql.ExecContext(ctx, `INSERT INTO svid_renewals (seq, time, member, serial, authority, not_after) VALUES `+places, args...); err != nil { //nolint:gosec // only placeholders
			return err
		}
	}
	return nil
}

// name is the number of a name, which gets one when it is new.
func (t *Tx) name(ctx context.Context, known map[string]int64, name string) (id int64, err error) {
	if id, ok := known[name]; ok {
		return id, nil
	}
	err = t.sql.QueryRowContext(ctx, `SELECT id FROM svid_names WHERE name = ?`, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.sql.QueryRowContext(ctx, `INSERT INTO svid_names (id, name) SELECT coalesce(max(id), 0) + 1, ? FROM svid_names RETURNING id`, name).Scan(&id)
	}
	known[name] = id
	return id, err
}

func (t *Tx) newestSerial(ctx context.Context, member int64) (serial string, err error) {
	var raw []byte
	err = t.sql.QueryRowContext(ctx, `SELECT serial FROM svid_renewals WHERE member = ? ORDER BY seq DESC LIMIT 1`, member).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return unpackSerial(raw), err
}

// packSerial halves a serial number. A text that is not the usual form of one stays a
// text, behind a byte that no number begins with.
func packSerial(s string) []byte {
	if n, ok := new(big.Int).SetString(s, 16); ok && n.Sign() > 0 && n.Text(16) == s {
		return n.Bytes()
	}
	return append([]byte{0}, s...)
}

func unpackSerial(raw []byte) string {
	if len(raw) == 0 || raw[0] == 0 {
		return strings.TrimPrefix(string(raw), "\x00")
	}
	return new(big.Int).SetBytes(raw).Text(16)
}

const (
	renewalColumns = `seq, time, (SELECT name FROM svid_names WHERE id = member), serial, (SELECT name FROM svid_names WHERE id = authority), not_after`
	// renewalsBetween is what one anchor covers.
	renewalsBetween = `SELECT ` + renewalColumns + ` FROM svid_renewals WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?`
)

func scanRenewal(row scanner) (audit.Renewal, error) {
	var r audit.Renewal
	var at, notAfter int64
	var member, authority sql.NullString // a name that somebody removed is no reason to fail
	var serial []byte
	err := row.Scan(&r.Seq, &at, &member, &serial, &authority, &notAfter)
	r.Time, r.NotAfter = time.UnixMilli(at).UTC(), time.Unix(notAfter, 0).UTC()
	r.Member, r.Serial, r.Authority = member.String, unpackSerial(serial), authority.String
	return r, err
}

// RenewalsBetween implements audit.VerifyStore.
func (s *Store) RenewalsBetween(ctx context.Context, first, last int64, limit int) ([]audit.Renewal, error) {
	return collect(ctx, s.db, scanRenewal, renewalsBetween, first, last, limit)
}

// RenewalsBetween implements audit.KeeperTx.
func (t *Tx) RenewalsBetween(ctx context.Context, first, last int64, limit int) ([]audit.Renewal, error) {
	return collect(ctx, t.sql, scanRenewal, renewalsBetween, first, last, limit)
}

// renewalScan reads the renewals of a member, or all, in the order of seq.
func renewalScan(q audit.RenewalQuery) *scan {
	s := &scan{table: "svid_renewals", columns: renewalColumns, oldest: q.Oldest}
	if q.Member != "" && !strings.HasSuffix(q.Member, "*") {
		s.add("member = (SELECT id FROM svid_names WHERE name = ?)", q.Member)
	}
	s.after(q.After)
	return s
}

// The anchor of the first renewals that may be of a time or later, and of the last ones
// that may be before it. There are some 720 anchors.
const (
	anchorSince = `SELECT first_seq FROM svid_anchors WHERE last_at >= ? ORDER BY first_seq LIMIT 1`
	anchorUntil = `SELECT last_seq FROM svid_anchors WHERE first_at < ? ORDER BY first_seq DESC LIMIT 1`
)

// FindRenewals implements audit.QueryStore.
func (s *Store) FindRenewals(ctx context.Context, q audit.RenewalQuery) (audit.RenewalPage, error) {
	sc := renewalScan(q)
	if err := s.boundRenewals(ctx, sc, q); err != nil {
		return audit.RenewalPage{}, err
	}
	rows, next, err := window(ctx, s.db, sc, audit.RenewalWindow, q.Limit, scanRenewal, func(r audit.Renewal) int64 { return r.Seq }, q.Matches)
	return audit.RenewalPage{Renewals: rows, Next: next}, err
}

// boundRenewals leaves out the hours before and after a time, as their anchors show. What
// no anchor covers yet is left out only by a time long before it.
func (s *Store) boundRenewals(ctx context.Context, sc *scan, q audit.RenewalQuery) error {
	anchored, at, err := lastAnchored(ctx, s.db)
	if err != nil {
		return err
	}
	if !q.Since.IsZero() {
		first := anchored + 1
		err := s.db.QueryRowContext(ctx, anchorSince, q.Since.UnixMilli()).Scan(&first)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		sc.add("seq >= ?", first)
	}
	if !q.Until.IsZero() && q.Until.Before(at.Add(-clockSlack)) {
		last := int64(0)
		err := s.db.QueryRowContext(ctx, anchorUntil, q.Until.UnixMilli()).Scan(&last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		sc.add("seq <= ?", last)
	}
	return nil
}

// lastAnchored is the newest renewal that an anchor covers, and the latest time in that anchor.
func lastAnchored(ctx context.Context, q querier) (seq int64, at time.Time, err error) {
	var ms int64
	err = q.QueryRowContext(ctx, `SELECT last_seq, last_at FROM svid_anchors ORDER BY first_seq DESC LIMIT 1`).Scan(&seq, &ms)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return seq, time.UnixMilli(ms).UTC(), err
}
