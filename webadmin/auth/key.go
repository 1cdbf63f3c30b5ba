package auth

import (
	"errors"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/secret"
)

// Scope says what a key is for. Which routes it opens is a row in
// webadmin/api/routes.go.
type Scope string

// ScopeBootstrap is the scope of the key made at first start.
const ScopeBootstrap Scope = "bootstrap"

// Key is an API key without its secret.
type Key struct {
	ID        string
	Name      string
	Scope     Scope
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
}

// ErrKeyNotFound is returned by a store that has no such key.
var ErrKeyNotFound = errors.New("no such API key")

// KeyPrefix begins every API key, so that people and secret scanners recognize one.
const KeyPrefix = "zta_"

// NewKey makes the secret of an API key and the hash to store of it.
func NewKey() (key string, hash []byte) {
	key = secret.New(KeyPrefix)
	return key, secret.Hash(key)
}
