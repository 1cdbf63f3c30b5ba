package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

const keyColumns = `id, name, scope, created_at, expires_at`

// KeyByHash implements auth.Store.
func (s *Store) KeyByHash(ctx context.Context, hash []byte) (auth.Key, error) {
	return s.key(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE hash = ?`, hash)
}

// KeyByID implements auth.BootstrapStore.
func (s *Store) KeyByID(ctx context.Context, id string) (auth.Key, error) {
	return s.key(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = ?`, id)
}

func (s *Store) key(ctx context.Context, query string, arg any) (auth.Key, error) {
	var k auth.Key
	var scope string // permissions, separated by spaces
	var created, expires int64
	err := s.db.QueryRowContext(ctx, query, arg).Scan(&k.ID, &k.Name, &scope, &created, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Key{}, auth.ErrKeyNotFound
	}
	for _, p := range strings.Fields(scope) {
		k.Permissions = append(k.Permissions, auth.Permission(p))
	}
	k.CreatedAt, k.ExpiresAt = moment(created), moment(expires)
	return k, err
}

// InsertKey implements auth.BootstrapStore.
func (s *Store) InsertKey(ctx context.Context, k auth.Key, hash []byte) error {
	scope := make([]string, 0, len(k.Permissions))
	for _, p := range k.Permissions {
		scope = append(scope, string(p))
	}
	_, err := s.db.ExecContext(ctx, `INSERT INTO api_keys (hash, `+keyColumns+`) VALUES (?, ?, ?, ?, ?, ?)`,
		hash, k.ID, k.Name, strings.Join(scope, " "), micros(k.CreatedAt), micros(k.ExpiresAt))
	return err
}
