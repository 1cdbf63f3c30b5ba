package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
)

// tokenColumns are in the order of scanToken. The hash is never read back.
const tokenColumns = `id, kind, workload, replaces, source, created_by, created_at, expires_at, claimed_at, revoked_at, key_hash, host_id, ` +
	`delivery, recipient, opened_at, opened_from, reopened_at, reopened_from`

func scanToken(s scanner) (enroll.Token, error) {
	var t enroll.Token
	var source string
	var created, expires, claimed, revoked, opened, reopened int64
	err := s.Scan(&t.ID, &t.Workload.Kind, &t.Workload.ID, &t.Replace, &source, &t.CreatedBy,
		&created, &expires, &claimed, &revoked, &t.KeyHash, &t.HostID,
		&t.Delivery, &t.Recipient, &opened, &t.OpenedFrom, &reopened, &t.ReopenedFrom)
	if err != nil {
		return t, err
	}
	t.CreatedAt, t.ExpiresAt, t.ClaimedAt, t.RevokedAt = moment(created), moment(expires), moment(claimed), moment(revoked)
	t.OpenedAt, t.ReopenedAt = moment(opened), moment(reopened)
	if source != "" {
		if t.Source, err = netip.ParsePrefix(source); err != nil {
			return t, fmt.Errorf("source of token %s: %w", t.ID, err)
		}
	}
	return t, nil
}

// Tokens implements enroll.Store.
func (s *Store) Tokens(ctx context.Context) ([]enroll.Token, error) {
	return collect(ctx, s.db, scanToken, `SELECT `+tokenColumns+` FROM tokens ORDER BY created_at DESC, id`)
}

// ExpiredTokens lists the ids of the tokens that expired unused after one time and
// up to another.
func (s *Store) ExpiredTokens(ctx context.Context, after, until time.Time) ([]string, error) {
	return collect(ctx, s.db, func(row scanner) (id string, err error) {
		err = row.Scan(&id)
		return id, err
	},
		`SELECT id FROM tokens WHERE expires_at > ? AND expires_at <= ? AND claimed_at = 0 AND revoked_at = 0`,
		micros(after), micros(until))
}

// TokenKnown implements enroll.Store.
func (s *Store) TokenKnown(ctx context.Context, hash []byte) (known bool, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM tokens WHERE hash = ?)`, hash).Scan(&known)
	return known, err
}

// TokenByHash implements enroll.Tx.
func (t *Tx) TokenByHash(ctx context.Context, hash []byte) (enroll.Token, error) {
	return t.token(ctx, `SELECT `+tokenColumns+` FROM tokens WHERE hash = ?`, hash)
}

// TokenByID implements enroll.Tx.
func (t *Tx) TokenByID(ctx context.Context, id string) (enroll.Token, error) {
	return t.token(ctx, `SELECT `+tokenColumns+` FROM tokens WHERE id = ?`, id)
}

func (t *Tx) token(ctx context.Context, query string, arg any) (enroll.Token, error) {
	tok, err := scanToken(t.sql.QueryRowContext(ctx, query, arg))
	if errors.Is(err, sql.ErrNoRows) {
		return enroll.Token{}, enroll.ErrTokenNotFound
	}
	return tok, err
}

// InsertToken implements enroll.Tx.
func (t *Tx) InsertToken(ctx context.Context, tok enroll.Token, hash []byte) error {
	source := ""
	if tok.Source.IsValid() {
		source = tok.Source.String()
	}
	_, err := t.sql.ExecContext(ctx, `INSERT INTO tokens (hash, `+tokenColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		hash, tok.ID, string(tok.Workload.Kind), tok.Workload.ID, tok.Replace, source, tok.CreatedBy,
		micros(tok.CreatedAt), micros(tok.ExpiresAt), micros(tok.ClaimedAt), micros(tok.RevokedAt), nonNil(tok.KeyHash), string(tok.HostID),
		string(tok.Delivery), tok.Recipient, micros(tok.OpenedAt), tok.OpenedFrom, micros(tok.ReopenedAt), tok.ReopenedFrom)
	return err
}

// UpdateToken implements enroll.Tx.
func (t *Tx) UpdateToken(ctx context.Context, tok enroll.Token) error {
	_, err := t.sql.ExecContext(ctx, `UPDATE tokens SET claimed_at = ?, revoked_at = ?, key_hash = ?, host_id = ?,
		opened_at = ?, opened_from = ?, reopened_at = ?, reopened_from = ? WHERE id = ?`,
		micros(tok.ClaimedAt), micros(tok.RevokedAt), nonNil(tok.KeyHash), string(tok.HostID),
		micros(tok.OpenedAt), tok.OpenedFrom, micros(tok.ReopenedAt), tok.ReopenedFrom, tok.ID)
	return err
}

// BumpPolicy implements fleet.Tx.
func (t *Tx) BumpPolicy(ctx context.Context) error {
	_, err := t.sql.ExecContext(ctx, `UPDATE meta SET value = value + 1 WHERE name = 'policy_revision'`)
	return err
}

// BeginPolicy makes the next revision greater than all that a controller gave before
// this start, also than those that a restored backup of the database has forgotten:
// connectors and tunnelers ignore what is older than what they have. Revisions begin
// at the milliseconds since 1970 therefore, and grow more slowly than time.
func (s *Store) BeginPolicy(ctx context.Context, at time.Time) error {
	return s.tx(ctx, func(t *Tx) error {
		_, err := t.sql.ExecContext(ctx, `UPDATE meta SET value = max(value + 1, ?) WHERE name = 'policy_revision'`, at.UnixMilli())
		return err
	})
}

// PolicyRevision implements policy.Store.
func (s *Store) PolicyRevision(ctx context.Context) (revision uint64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'policy_revision'`).Scan(&revision)
	return revision, err
}
