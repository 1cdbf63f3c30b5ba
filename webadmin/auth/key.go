package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"time"
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

const (
	secretBytes = 20 // 160 random bits
	checksumLen = 7  // base32 characters of 32 bits
)

// NewKey makes the secret of an API key and the hash to store of it. A plain
// SHA-256 is enough for 160 random bits: there is nothing to guess.
func NewKey() (secret string, hash []byte) {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	body := KeyPrefix + alphabet().EncodeToString(b[:])
	secret = body + checksum(body)
	return secret, hashOf(secret)
}

// wellFormed finds a key that was cut or mistyped. It protects the store from
// noise and is no part of the decision.
func wellFormed(secret string) bool {
	const want = len(KeyPrefix) + secretBytes*8/5 + checksumLen
	return len(secret) == want && strings.HasPrefix(secret, KeyPrefix) &&
		checksum(secret[:want-checksumLen]) == secret[want-checksumLen:]
}

func hashOf(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// alphabet is RFC 4648 base32 in lower case, the same as of enrollment tokens.
func alphabet() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

func checksum(body string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(body)))
	return alphabet().EncodeToString(b[:])
}
