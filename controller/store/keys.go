package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
)

const keyColumns = `id, name, scope, created_by, created_at, expires_at, last_used_at, revoked_at`

func scanKey(s scanner) (auth.Key, error) {
	var k auth.Key
	var scope string // permissions, separated by spaces
	var created, expires, used, revoked int64
	err := s.Scan(&k.ID, &k.Name, &scope, &k.CreatedBy, &created, &expires, &used, &revoked)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Key{}, auth.ErrKeyNotFound
	}
	for _, p := range strings.Fields(scope) {
		k.Permissions = append(k.Permissions, auth.Permission(p))
	}
	k.CreatedAt, k.ExpiresAt, k.LastUsedAt, k.RevokedAt = moment(created), moment(expires), moment(used), moment(revoked)
	return k, err
}

func apiKey(id string, op changelog.Op) changelog.Change {
	return changelog.Change{Kind: changelog.Key, ID: id, Op: op}
}

// KeyByHash implements auth.KeysTx.
func (a authRows) KeyByHash(ctx context.Context, hash []byte) (auth.Key, error) {
	return scanKey(a.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE hash = ?`, nonNil(hash)))
}

// KeyByID implements auth.KeysTx.
func (a authRows) KeyByID(ctx context.Context, id string) (auth.Key, error) {
	return scanKey(a.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = ?`, id))
}

// Keys implements auth.KeysTx.
func (a authRows) Keys(ctx context.Context) ([]auth.Key, error) {
	return collect(ctx, a, scanKey, `SELECT `+keyColumns+` FROM api_keys ORDER BY created_at DESC, id`)
}

// KeyPage implements auth.KeysTx.
func (a authRows) KeyPage(ctx context.Context, after auth.Place, limit int) ([]auth.Key, int, error) {
	return byCreation(ctx, a, scanKey, keysByCreation(), after, limit)
}

func keysByCreation() *paged {
	return &paged{table: "api_keys", columns: keyColumns, key: "created_at", descending: true}
}

// InsertKey implements auth.KeysTx.
func (a authRows) InsertKey(ctx context.Context, k auth.Key, hash []byte) error {
	return a.write(ctx, apiKey(k.ID, changelog.Created), `INSERT INTO api_keys (hash, `+keyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		hash, k.ID, k.Name, scopeOf(k.Permissions), k.CreatedBy, micros(k.CreatedAt), micros(k.ExpiresAt), micros(k.LastUsedAt), micros(k.RevokedAt))
}

// scopeOf is how permissions are stored.
func scopeOf(permissions []auth.Permission) string {
	scope := make([]string, 0, len(permissions))
	for _, p := range permissions {
		scope = append(scope, string(p))
	}
	return strings.Join(scope, " ")
}

// UpdateKey implements auth.KeysTx.
func (a authRows) UpdateKey(ctx context.Context, id, name string, permissions []auth.Permission) error {
	return a.write(ctx, apiKey(id, changelog.Changed), `UPDATE api_keys SET name = ?, scope = ? WHERE id = ?`, name, scopeOf(permissions), id)
}

// RevokeKey implements auth.KeysTx.
func (a authRows) RevokeKey(ctx context.Context, id string, at time.Time) error {
	return a.write(ctx, apiKey(id, changelog.Revoked), `UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at = 0`, micros(at), id)
}

// RevokeTokensBy implements auth.KeysTx.
func (a authRows) RevokeTokensBy(ctx context.Context, actor string, at time.Time) (ids []string, err error) {
	err = a.within(ctx, func(t *Tx) error {
		pending, err := collect(ctx, t.sql, scanToken, `SELECT `+tokenColumns+` FROM tokens
			WHERE created_by = ? AND claimed_at = 0 AND revoked_at = 0 AND expires_at > ? ORDER BY id`, actor, micros(at))
		if err != nil {
			return err
		}
		for _, tok := range pending {
			tok.RevokedAt = at
			if err := errors.Join(t.UpdateToken(ctx, tok), t.EraseClaim(ctx, tok.ID)); err != nil {
				return err
			}
			ids = append(ids, tok.ID)
		}
		return nil
	})
	return ids, err
}

// MakerEnds implements enroll.Tx.
func (t *Tx) MakerEnds(ctx context.Context, actor string, now time.Time) (time.Time, error) {
	id, byKey := strings.CutPrefix(actor, auth.KeyActor)
	if !byKey {
		return time.Time{}, nil
	}
	key, err := scanKey(t.sql.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = ?`, id))
	if errors.Is(err, auth.ErrKeyNotFound) || err == nil && key.State(now) != "active" {
		return time.Time{}, &auth.RefusedError{Reason: "the API key ended meanwhile", Actor: actor}
	}
	return key.ExpiresAt, err
}

// UseKey implements auth.KeysTx.
func (a authRows) UseKey(ctx context.Context, id string, at time.Time) error {
	return a.exec(ctx, `UPDATE api_keys SET last_used_at = ? WHERE id = ? AND last_used_at < ?`, micros(at), id, micros(at))
}

// SigningKeys implements auth.SigningKeysTx.
func (a authRows) SigningKeys(ctx context.Context) ([]auth.SigningKey, error) {
	return collect(ctx, a, func(s scanner) (auth.SigningKey, error) {
		var k auth.SigningKey
		var created int64
		err := s.Scan(&k.ID, &k.Seed, &created)
		k.CreatedAt = moment(created)
		return k, err
	}, `SELECT id, seed, created_at FROM signing_keys ORDER BY created_at DESC, id`)
}

// InsertSigningKey implements auth.SigningKeysTx.
func (a authRows) InsertSigningKey(ctx context.Context, k auth.SigningKey) error {
	return a.exec(ctx, `INSERT INTO signing_keys (id, seed, created_at) VALUES (?, ?, ?)`, k.ID, k.Seed, micros(k.CreatedAt))
}

// DeleteSigningKeysBefore implements auth.SigningKeysTx.
func (a authRows) DeleteSigningKeysBefore(ctx context.Context, created time.Time) error {
	return a.exec(ctx, `DELETE FROM signing_keys WHERE created_at < ?`, micros(created))
}
