package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/secret"
)

// Store finds API keys.
type Store interface {
	// KeyByHash finds a key by the SHA-256 of its secret. It returns ErrKeyNotFound.
	KeyByHash(ctx context.Context, hash []byte) (Key, error)
}

// RefusedError refuses a caller. Its text is always the same, so that nothing is
// learned about which keys exist.
type RefusedError struct {
	// Reason is for the log and the audit, never for the caller.
	Reason string
	// KeyID is known when the key itself is, such as an expired one.
	KeyID string
}

// Error implements error.
func (*RefusedError) Error() string { return "the API key is not valid" }

// Keys authenticates callers by API key.
type Keys struct {
	store Store
	now   func() time.Time
}

// NewKeys returns Keys.
func NewKeys(store Store, now func() time.Time) *Keys { return &Keys{store: store, now: now} }

// Authenticate returns who holds the key bearer. Errors: *RefusedError; any other
// error means that the store could not be asked.
//
// The comparison cannot be timed: the store compares SHA-256 values, of which a
// caller cannot choose a prefix.
func (k *Keys) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if bearer == "" {
		return Principal{}, &RefusedError{Reason: "no API key"}
	}
	if secret.Check(KeyPrefix, bearer) != nil { // noise costs no look-up
		return Principal{}, &RefusedError{Reason: "malformed API key"}
	}
	key, err := k.store.KeyByHash(ctx, secret.Hash(bearer))
	if errors.Is(err, ErrKeyNotFound) {
		return Principal{}, &RefusedError{Reason: "unknown API key"}
	}
	if err != nil {
		return Principal{}, fmt.Errorf("look up API key: %w", err)
	}
	if !key.ExpiresAt.IsZero() && !k.now().Before(key.ExpiresAt) {
		return Principal{}, &RefusedError{Reason: "expired API key", KeyID: key.ID}
	}
	return Principal{Actor: "key:" + key.ID, Kind: KindKey, Name: key.Name, Permissions: key.KeyPermissions()}, nil
}
