package auth

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Lives of API keys.
const (
	DefaultKeyLife = 90 * 24 * time.Hour
	LongestKeyLife = 365 * 24 * time.Hour
	shortestKey    = time.Minute
)

// Key is an API key without its secret.
type Key struct {
	ID          string
	Name        string
	Permissions []Permission
	CreatedBy   string
	CreatedAt   time.Time
	ExpiresAt   time.Time // zero: never
	LastUsedAt  time.Time
	RevokedAt   time.Time
}

// KeyPermissions are what the holder of k may do: what k was given, as far as a
// key may have it at all.
func (k Key) KeyPermissions() []Permission {
	return slices.DeleteFunc(slices.Clone(k.Permissions), func(p Permission) bool { return !p.Grantable() })
}

// refusal says why the key is of no use now; "" if it is.
func (k Key) refusal(now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked API key"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired API key"
	}
	return ""
}

// State is active, expired or revoked.
func (k Key) State(now time.Time) string {
	state, _, dead := strings.Cut(k.refusal(now), " ")
	if !dead {
		return "active"
	}
	return state
}

func (k Key) principal() Principal {
	return Principal{Actor: keyActor + k.ID, Kind: KindKey, Name: k.Name, Permissions: k.KeyPermissions()}
}

// KeyActor begins the name that a key has as an actor.
const KeyActor = "key:"

const keyActor = KeyActor

// ErrKeyNotFound is returned by a store that has no such key.
var ErrKeyNotFound = errors.New("no such API key")

// KeyPrefix begins every API key, so that people and secret scanners recognize one.
const KeyPrefix = "zta_"

// NewKey makes the secret of an API key and the hash to store of it.
func NewKey() (key string, hash []byte) {
	key = keys.NewSecret(KeyPrefix)
	return key, keys.HashSecret(key)
}
