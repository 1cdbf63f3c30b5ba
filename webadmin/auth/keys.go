package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/secret"
)

// RefusedError refuses a caller. Its text is always the same, so that nothing is
// learned about which keys, tokens and sessions exist.
type RefusedError struct {
	// Reason is for the log and the audit, never for the caller.
	Reason string
	// Actor is known when the credential itself is, such as an expired key.
	Actor string
}

// Error implements error.
func (*RefusedError) Error() string { return "the credential is not valid" }

// Keys authenticates programs and manages their API keys.
type Keys struct {
	*core
}

// NewKeys returns Keys that authenticate by API key and do nothing else.
func NewKeys(store Store, now func() time.Time) *Keys {
	return &Keys{core: &core{Config: Config{Store: store, Now: now, Log: zap.NewNop()}}}
}

// usedEvery is how exactly the last use of a key is kept.
const usedEvery = time.Minute

// Authenticate returns who holds bearer, an API key or an access token. Errors:
// *RefusedError; any other error means that the store could not be asked.
//
// The comparison cannot be timed: the store compares SHA-256 values, of which a
// caller cannot choose a prefix.
func (k *Keys) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	switch {
	case bearer == "":
		return Principal{}, &RefusedError{Reason: "no API key"}
	case strings.Count(bearer, ".") == 2:
		return k.byAccessToken(ctx, bearer)
	}
	key, err := k.bySecret(ctx, bearer)
	if err != nil {
		return Principal{}, err
	}
	return key.principal(), nil
}

func (k *Keys) bySecret(ctx context.Context, text string) (Key, error) {
	if secret.Check(KeyPrefix, text) != nil { // noise costs no look-up
		return Key{}, &RefusedError{Reason: "malformed API key"}
	}
	key, err := k.Store.AuthRows().KeyByHash(ctx, secret.Hash(text))
	if errors.Is(err, ErrKeyNotFound) {
		return Key{}, &RefusedError{Reason: "unknown API key"}
	}
	if err != nil {
		return Key{}, fmt.Errorf("look up API key: %w", err)
	}
	return key, k.usable(ctx, key)
}

// usable refuses a dead key and records the use of a live one.
func (k *Keys) usable(ctx context.Context, key Key) error {
	now := k.now()
	if why := key.refusal(now); why != "" {
		return &RefusedError{Reason: why, Actor: "key:" + key.ID}
	}
	if now.Sub(key.LastUsedAt) < usedEvery {
		return nil
	}
	if err := k.Store.AuthRows().UseKey(ctx, key.ID, now); err != nil {
		k.Log.Warn("use of an API key not recorded", zap.String("key_id", key.ID), zap.Error(err))
	}
	return nil
}

// NewAPIKey describes an API key to make. A Life of 0 is the default.
type NewAPIKey struct {
	Name        string
	Permissions []Permission
	Life        time.Duration
}

// Create makes an API key and returns its secret, once. Errors: *FieldError.
func (k *Keys) Create(ctx context.Context, n NewAPIKey, by By) (Key, string, error) {
	name, err := parseName(n.Name)
	if err != nil {
		return Key{}, "", err
	}
	if n.Life == 0 {
		n.Life = DefaultKeyLife
	}
	if n.Life < shortestKey || n.Life > LongestKeyLife {
		return Key{}, "", fieldError("ttl", "must be %s to %s", shortestKey, LongestKeyLife)
	}
	if len(n.Permissions) == 0 {
		return Key{}, "", fieldError("scopes", "must name at least one permission")
	}
	for i, p := range n.Permissions {
		if !p.Grantable() || slices.Contains(n.Permissions[:i], p) {
			return Key{}, "", fieldError("scopes", "%q is no permission that a key can have, or is given twice", p)
		}
	}
	key := Key{
		ID: newID("key_"), Name: name, Permissions: n.Permissions, CreatedBy: by.Actor, CreatedAt: k.now(), ExpiresAt: k.now().Add(n.Life),
	}
	text, hash := NewKey()
	err = k.Store.AuthTx(ctx, func(tx Tx) error {
		if err := tx.InsertKey(ctx, key, hash); err != nil {
			return err
		}
		return k.record(ctx, tx, by, audit.Event{
			Action: audit.KeyCreate, Target: "key/" + key.ID, After: describeKey(key),
		})
	})
	return key, text, err
}

// List returns all keys, dead ones too, the newest first.
func (k *Keys) List(ctx context.Context) ([]Key, error) { return k.Store.AuthRows().Keys(ctx) }

// Revoke ends a key and every access token that it got, at once. Errors:
// ErrKeyNotFound.
func (k *Keys) Revoke(ctx context.Context, id string, by By) error {
	return k.Store.AuthTx(ctx, func(tx Tx) error {
		key, err := tx.KeyByID(ctx, id)
		if err != nil || !key.RevokedAt.IsZero() {
			return err
		}
		return k.revoke(ctx, tx, key, by, "")
	})
}

func (k *core) revoke(ctx context.Context, tx Tx, key Key, by By, reason string) error {
	before := describeKey(key)
	key.RevokedAt = k.now()
	if err := tx.RevokeKey(ctx, key.ID, key.RevokedAt); err != nil {
		return err
	}
	return k.record(ctx, tx, by, audit.Event{
		Action: audit.KeyRevoke, Target: "key/" + key.ID, Reason: reason, Before: before, After: describeKey(key),
	})
}

// describeKey is a key in the audit log.
func describeKey(k Key) string {
	return audit.State(struct {
		Name      string       `json:"name"`
		Scopes    []Permission `json:"scopes"`
		ExpiresAt time.Time    `json:"expires_at,omitzero"`
		RevokedAt time.Time    `json:"revoked_at,omitzero"`
	}{k.Name, k.KeyPermissions(), k.ExpiresAt, k.RevokedAt})
}
