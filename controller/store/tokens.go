package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
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

// TokenPage implements enroll.Store.
func (s *Store) TokenPage(ctx context.Context, q enroll.TokenQuery) (fleet.Page[enroll.Token], error) {
	return pageOf(ctx, s.db, scanToken, pageOfTokens(q), q, tokenKey(q), func(t enroll.Token) string { return t.ID })
}

// tokenKey is what a query orders tokens by.
func tokenKey(q enroll.TokenQuery) sortKey[enroll.Token] {
	switch q.Sort {
	case enroll.ByCreation:
		return sortKey[enroll.Token]{"created_at", func(t enroll.Token) string { return microsText(t.CreatedAt) }, numberKey}
	case enroll.ByExpiry:
		return sortKey[enroll.Token]{"expires_at", func(t enroll.Token) string { return microsText(t.ExpiresAt) }, numberKey}
	case enroll.ByState:
		column := fmt.Sprintf("CASE WHEN revoked_at <> 0 THEN '%s' WHEN claimed_at <> 0 THEN '%s' WHEN expires_at <= %s THEN '%s' ELSE '%s' END",
			enroll.Revoked, enroll.Redeemed, microsText(q.Now), enroll.Expired, enroll.Pending)
		return sortKey[enroll.Token]{column, func(t enroll.Token) string { return string(t.State(q.Now)) }, textKey}
	default:
		return sortKey[enroll.Token]{"workload", func(t enroll.Token) string { return t.Workload.ID }, textKey}
	}
}

func microsText(t time.Time) string { return strconv.FormatInt(micros(t), 10) }

// pageOfTokens is the list that a query asks for; enroll.Token.State has the same rules.
func pageOfTokens(q enroll.TokenQuery) *paged {
	p := &paged{table: "tokens", columns: tokenColumns, key: tokenKey(q).column, descending: q.Descending}
	now := microsText(q.Now)
	switch q.State {
	case enroll.Revoked:
		p.where("revoked_at <> 0")
	case enroll.Redeemed:
		p.where("revoked_at = 0 AND claimed_at <> 0")
	case enroll.Expired:
		p.where("revoked_at = 0 AND claimed_at = 0 AND expires_at <= " + now)
	case enroll.Pending:
		p.where("revoked_at = 0 AND claimed_at = 0 AND expires_at > " + now)
	}
	if q.Search != "" {
		text := strings.ToLower(q.Search)
		p.where("(instr(lower(id), ?) OR instr(kind || '/' || workload, ?) OR instr(lower(created_by), ?) OR instr(host_id, ?))", text, text, text, text)
	}
	return p
}

// Token implements enroll.Store.
func (s *Store) Token(ctx context.Context, id string) (enroll.Token, error) {
	return oneToken(s.db.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM tokens WHERE id = ?`, id))
}

// ExpiredTokens lists the ids of the tokens that expired unused after one time and
// up to another.
func (s *Store) ExpiredTokens(ctx context.Context, after, until time.Time) ([]string, error) {
	return collect(ctx, s.db, scanID,
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
	return oneToken(t.sql.QueryRowContext(ctx, query, arg))
}

func oneToken(row scanner) (enroll.Token, error) {
	tok, err := scanToken(row)
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
	return t.write(ctx, changelog.Change{Kind: changelog.Token, ID: tok.ID, Op: changelog.Created}, `INSERT INTO tokens (hash, `+tokenColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		hash, tok.ID, string(tok.Workload.Kind), tok.Workload.ID, tok.Replace, source, tok.CreatedBy,
		micros(tok.CreatedAt), micros(tok.ExpiresAt), micros(tok.ClaimedAt), micros(tok.RevokedAt), nonNil(tok.KeyHash), string(tok.HostID),
		string(tok.Delivery), tok.Recipient, micros(tok.OpenedAt), tok.OpenedFrom, micros(tok.ReopenedAt), tok.ReopenedFrom)
}

// UpdateToken implements enroll.Tx.
func (t *Tx) UpdateToken(ctx context.Context, tok enroll.Token) error {
	op := changelog.Changed
	if !tok.RevokedAt.IsZero() {
		op = changelog.Revoked
	}
	err := t.write(ctx, changelog.Change{Kind: changelog.Token, ID: tok.ID, Op: op}, `UPDATE tokens SET claimed_at = ?, revoked_at = ?, key_hash = ?, host_id = ?,
		opened_at = ?, opened_from = ?, reopened_at = ?, reopened_from = ? WHERE id = ?`,
		micros(tok.ClaimedAt), micros(tok.RevokedAt), nonNil(tok.KeyHash), string(tok.HostID),
		micros(tok.OpenedAt), tok.OpenedFrom, micros(tok.ReopenedAt), tok.ReopenedFrom, tok.ID)
	if err != nil {
		return err
	}
	// A request shows whether the token of its approval was redeemed.
	requests, err := collect(ctx, t.sql, scanID, `SELECT id FROM requests WHERE token_id = ?`, tok.ID)
	for _, id := range requests {
		t.changed(changelog.Request, id, changelog.Changed)
	}
	return err
}

// BumpPolicy implements fleet.Tx.
func (t *Tx) BumpPolicy(ctx context.Context) error {
	return t.setPolicy(ctx, `UPDATE meta SET value = value + 1 WHERE name = 'policy_revision' RETURNING value`)
}

// setPolicy writes the next revision as query says. The change log has it behind all
// that its transaction changed: whoever has read so far has what it stands for.
func (t *Tx) setPolicy(ctx context.Context, query string, args ...any) error {
	var revision uint64
	if err := t.sql.QueryRowContext(ctx, query, args...).Scan(&revision); err != nil {
		return err
	}
	t.changed(changelog.Policy, strconv.FormatUint(revision, 10), changelog.Changed)
	return nil
}

// BeginPolicy makes the next revision greater than all that a controller gave before
// this start, also than those that a restored backup of the database has forgotten:
// connectors and tunnelers ignore what is older than what they have. Revisions begin
// at the milliseconds since 1970 therefore, and grow more slowly than time.
func (s *Store) BeginPolicy(ctx context.Context, at time.Time) error {
	return s.tx(ctx, func(t *Tx) error {
		least := at.UnixMilli()
		return t.setPolicy(ctx, `UPDATE meta SET value = CASE WHEN value + 1 > ? THEN value + 1 ELSE ? END
			WHERE name = 'policy_revision' RETURNING value`, least, least)
	})
}

// PolicyRevision implements policy.Store.
func (s *Store) PolicyRevision(ctx context.Context) (revision uint64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'policy_revision'`).Scan(&revision)
	return revision, err
}

// PruneTokens implements enroll.Tx.
func (t *Tx) PruneTokens(ctx context.Context, ended time.Time) error {
	at := micros(ended)
	const old = `(SELECT k.id FROM tokens k WHERE k.expires_at < ?
		AND (k.claimed_at = 0 OR EXISTS (SELECT 1 FROM hosts h WHERE h.id = k.host_id AND h.revoked_at <> 0 AND h.revoked_at < ?)))`
	if _, err := t.sql.ExecContext(ctx, `DELETE FROM claims WHERE token_id IN `+old, at, at); err != nil {
		return err
	}
	gone, err := collect(ctx, t.sql, scanID, `DELETE FROM tokens WHERE id IN `+old+` RETURNING id`, at, at)
	for _, id := range gone {
		t.changed(changelog.Token, id, changelog.Deleted)
	}
	return err
}
