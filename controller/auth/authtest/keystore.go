package authtest

import (
	"context"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
)

// KeyStore keeps API keys in memory, and nothing else of what auth keeps.
type KeyStore struct {
	auth.Tx // nil: no test asks it for more
	mu      sync.Mutex
	byHash  map[string]auth.Key
	asked   int
	err     error
}

// NewKeyStore returns an empty store.
func NewKeyStore() *KeyStore { return &KeyStore{byHash: map[string]auth.Key{}} }

// Fail makes every call return err; nil ends that.
func (s *KeyStore) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Asked is how many times KeyByHash was called.
func (s *KeyStore) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// AuthRows implements auth.Store.
func (s *KeyStore) AuthRows() auth.Tx { return s }

// AuthTx implements auth.Store.
func (s *KeyStore) AuthTx(_ context.Context, fn func(auth.Tx) error) error { return fn(s) }

// UseKey implements auth.KeysTx.
func (s *KeyStore) UseKey(context.Context, string, time.Time) error { return nil }

// KeyByHash implements auth.KeysTx.
func (s *KeyStore) KeyByHash(_ context.Context, hash []byte) (auth.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	k, ok := s.byHash[string(hash)]
	if !ok && s.err == nil {
		return auth.Key{}, auth.ErrKeyNotFound
	}
	return k, s.err
}

// KeyByID implements auth.KeysTx.
func (s *KeyStore) KeyByID(_ context.Context, id string) (auth.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.byHash {
		if k.ID == id {
			return k, s.err
		}
	}
	if s.err != nil {
		return auth.Key{}, s.err
	}
	return auth.Key{}, auth.ErrKeyNotFound
}

// InsertKey implements auth.KeysTx.
func (s *KeyStore) InsertKey(_ context.Context, k auth.Key, hash []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.byHash[string(hash)] = k
	}
	return s.err
}
