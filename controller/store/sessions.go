package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
)

// sessionColumns are in the order of scanSession. The hash is never read back.
const sessionColumns = `id, person_id, method, source, user_agent, created_at, last_seen_at, expires_at, step_up_until`

func scanSession(s scanner) (auth.Session, error) {
	var it auth.Session
	var created, seen, expires, stepUp int64
	err := s.Scan(&it.ID, &it.PersonID, &it.Method, &it.Source, &it.UserAgent, &created, &seen, &expires, &stepUp)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Session{}, auth.ErrSessionNotFound
	}
	it.CreatedAt, it.LastSeenAt, it.ExpiresAt, it.StepUpUntil = moment(created), moment(seen), moment(expires), moment(stepUp)
	return it, err
}

// SessionByHash implements auth.SessionsTx.
func (a authRows) SessionByHash(ctx context.Context, hash []byte) (auth.Session, error) {
	return scanSession(a.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE hash = ?`, nonNil(hash)))
}

// SessionByID implements auth.SessionsTx.
func (a authRows) SessionByID(ctx context.Context, id string) (auth.Session, error) {
	return scanSession(a.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE id = ?`, id))
}

// SessionPage implements auth.SessionsTx.
func (a authRows) SessionPage(ctx context.Context, q auth.SessionQuery, after auth.Place, limit int) ([]auth.Session, int, error) {
	return byCreation(ctx, a, scanSession, pageOfSessions(q), after, limit)
}

// pageOfSessions is the list that a query asks for; auth.Session.Live has the same rules.
func pageOfSessions(q auth.SessionQuery) *paged {
	p := &paged{table: "sessions", columns: sessionColumns, key: "created_at", descending: true}
	if q.PersonID != "" {
		p.where("person_id = ?", q.PersonID)
	}
	device := "method = '" + string(auth.ByDevice) + "'"
	if q.Devices {
		p.where(device) // as the index says it
	}
	p.where("expires_at > ? AND ("+device+" OR last_seen_at > ?)", micros(q.Now), micros(q.Now.Add(-auth.SessionIdle)))
	return p
}

// InsertSession implements auth.SessionsTx.
func (a authRows) InsertSession(ctx context.Context, s auth.Session, hash []byte) error {
	return a.exec(ctx, `INSERT INTO sessions (hash, `+sessionColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		hash, s.ID, s.PersonID, string(s.Method), s.Source, s.UserAgent, micros(s.CreatedAt), micros(s.LastSeenAt), micros(s.ExpiresAt), micros(s.StepUpUntil))
}

// RenewSession implements auth.SessionsTx.
func (a authRows) RenewSession(ctx context.Context, id string, hash []byte, stepUpUntil time.Time) error {
	r, err := a.ExecContext(ctx, `UPDATE sessions SET hash = ?, step_up_until = ? WHERE id = ?`, hash, micros(stepUpUntil), id)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, auth.ErrSessionNotFound)
	}
	return nil
}

// TouchSession implements auth.SessionsTx.
func (a authRows) TouchSession(ctx context.Context, id string, seen time.Time) error {
	return a.exec(ctx, `UPDATE sessions SET last_seen_at = ? WHERE id = ? AND last_seen_at < ?`, micros(seen), id, micros(seen))
}

// DeleteSession implements auth.SessionsTx.
func (a authRows) DeleteSession(ctx context.Context, id string) error {
	return a.exec(ctx, `DELETE FROM sessions WHERE id = ?`, id)
}

// DeleteSessions implements auth.SessionsTx.
func (a authRows) DeleteSessions(ctx context.Context, personID, except string) error {
	return a.exec(ctx, `DELETE FROM sessions WHERE person_id = ? AND id != ?`, personID, except)
}

// DropSessions implements auth.SessionsTx.
func (a authRows) DropSessions(ctx context.Context, expiredBefore, seenBefore time.Time) error {
	return a.exec(ctx, `DELETE FROM sessions WHERE expires_at < ? OR last_seen_at < ? AND method != 'device'`, micros(expiredBefore), micros(seenBefore))
}

// Failures implements auth.FailuresTx.
func (a authRows) Failures(ctx context.Context, key []byte) (auth.Failures, error) {
	var f auth.Failures
	var last, locked int64
	err := a.QueryRowContext(ctx, `SELECT count, last_at, locked_until FROM sign_in_failures WHERE key = ?`, key).Scan(&f.Count, &last, &locked)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Failures{}, nil
	}
	f.LastAt, f.LockedUntil = moment(last), moment(locked)
	return f, err
}

// PutFailures implements auth.FailuresTx.
func (a authRows) PutFailures(ctx context.Context, key []byte, f auth.Failures) error {
	return a.exec(ctx, `INSERT INTO sign_in_failures (key, count, last_at, locked_until) VALUES (?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET count = excluded.count, last_at = excluded.last_at, locked_until = excluded.locked_until`,
		key, f.Count, micros(f.LastAt), micros(f.LockedUntil))
}

// DropFailures implements auth.FailuresTx.
func (a authRows) DropFailures(ctx context.Context, key []byte) error {
	return a.exec(ctx, `DELETE FROM sign_in_failures WHERE key = ?`, key)
}

// KeepFailures implements auth.FailuresTx.
func (a authRows) KeepFailures(ctx context.Context, most int) error {
	return a.exec(ctx, `DELETE FROM sign_in_failures WHERE key IN (
		SELECT key FROM sign_in_failures ORDER BY last_at DESC LIMIT -1 OFFSET ?)`, most)
}

// DropFailuresBefore implements auth.FailuresTx.
func (a authRows) DropFailuresBefore(ctx context.Context, t time.Time) error {
	return a.exec(ctx, `DELETE FROM sign_in_failures WHERE last_at < ?`, micros(t))
}

// LinkByHash implements auth.LinksTx.
func (a authRows) LinkByHash(ctx context.Context, hash []byte) (auth.Link, error) {
	var l auth.Link
	var created, expires int64
	err := a.QueryRowContext(ctx, `SELECT COALESCE(person_id, ''), created_at, expires_at FROM setup_links WHERE hash = ?`, nonNil(hash)).
		Scan(&l.PersonID, &created, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Link{}, auth.ErrLinkNotFound
	}
	l.CreatedAt, l.ExpiresAt = moment(created), moment(expires)
	return l, err
}

// InsertLink implements auth.LinksTx.
func (a authRows) InsertLink(ctx context.Context, l auth.Link, hash []byte) error {
	return a.exec(ctx, `INSERT INTO setup_links (hash, person_id, created_at, expires_at) VALUES (?, NULLIF(?, ''), ?, ?)`,
		hash, l.PersonID, micros(l.CreatedAt), micros(l.ExpiresAt))
}

// DeleteLinks implements auth.LinksTx.
func (a authRows) DeleteLinks(ctx context.Context, personID string) error {
	return a.exec(ctx, `DELETE FROM setup_links WHERE COALESCE(person_id, '') = ?`, personID)
}
