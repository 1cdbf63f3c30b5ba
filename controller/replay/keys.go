package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Lifetime is how long a key is remembered.
const Lifetime = 24 * time.Hour

// MaxKey is the most bytes of a key.
const MaxKey = 128

// Errors of Begin.
var (
	// ErrReused refuses a key that stands for another request.
	ErrReused = errors.New("this idempotency key was used for another request")
	// ErrInterrupted refuses a key whose request began and never ended: the
	// controller was killed in between, or failed. Nobody knows whether it took effect.
	ErrInterrupted = errors.New("the first request with this idempotency key was interrupted, and may or may not have taken effect; " +
		"check its effect before you send it again with another key")
)

// Request is a request that came with a key.
type Request struct {
	Actor string
	Key   string
	// Fingerprint is a hash of all that the request says.
	Fingerprint []byte
	StartedAt   time.Time
}

// Record is what is remembered of a request.
type Record struct {
	Request
	// Status of the reply; 0 while there is none.
	Status int
	// Body of the reply; empty where it had a secret.
	Body []byte
	// Resource is the id of what was made.
	Resource string
}

// Store keeps records.
type Store interface {
	// BeginRequest forgets what began at or before expired. Then it returns the record
	// of this actor's key or, where there is none, stores r and returns nil.
	BeginRequest(ctx context.Context, r Request, expired time.Time) (*Record, error)
	// FinishRequest stores the reply.
	FinishRequest(ctx context.Context, r Record) error
	// ForgetRequest drops a record that has no reply.
	ForgetRequest(ctx context.Context, actor, key string) error
}

// Keys remembers requests by their keys.
type Keys struct {
	store Store
	now   func() time.Time

	mu   sync.Mutex
	busy map[[2]string]chan struct{} // by actor and key; closed at the end
}

// New returns Keys.
func New(s Store, now func() time.Time) *Keys {
	return &Keys{store: s, now: now, busy: map[[2]string]chan struct{}{}}
}

// Attempt is a request that is being done. One of End and Drop ends it; Close is
// harmless after them, and alone leaves it interrupted.
type Attempt struct {
	k *Keys
	r Request
	// Done is the reply of the first time; nil for a request that is new.
	Done *Record
}

// Begin waits for the end of another request with this key and returns the reply
// to the first one, or begins. Errors: ErrReused, ErrInterrupted.
func (k *Keys) Begin(ctx context.Context, actor, key string, fingerprint []byte) (*Attempt, error) {
	if err := k.lock(ctx, [2]string{actor, key}); err != nil {
		return nil, err
	}
	now := k.now().UTC()
	a := &Attempt{k: k, r: Request{Actor: actor, Key: key, Fingerprint: fingerprint, StartedAt: now}}
	var err error
	if a.Done, err = k.store.BeginRequest(ctx, a.r, now.Add(-Lifetime)); err != nil {
		err = fmt.Errorf("idempotency key: %w", err)
	} else if a.Done != nil {
		switch {
		case !bytes.Equal(a.Done.Fingerprint, fingerprint):
			err = ErrReused
		case a.Done.Status == 0:
			err = ErrInterrupted
		}
	}
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (k *Keys) lock(ctx context.Context, id [2]string) error {
	for {
		k.mu.Lock()
		wait, taken := k.busy[id]
		if !taken {
			k.busy[id] = make(chan struct{})
		}
		k.mu.Unlock()
		if !taken {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// End stores the reply.
func (a *Attempt) End(ctx context.Context, status int, body []byte, resource string) error {
	defer a.Close()
	return a.k.store.FinishRequest(ctx, Record{Request: a.r, Status: status, Body: body, Resource: resource})
}

// Drop forgets a request that changed nothing.
func (a *Attempt) Drop(ctx context.Context) error {
	defer a.Close()
	return a.k.store.ForgetRequest(ctx, a.r.Actor, a.r.Key)
}

// Close lets the next request with this key begin.
func (a *Attempt) Close() {
	id := [2]string{a.r.Actor, a.r.Key}
	a.k.mu.Lock()
	defer a.k.mu.Unlock()
	if done, ok := a.k.busy[id]; ok && a.r.Actor != "" {
		close(done)
		delete(a.k.busy, id)
		a.r.Actor = "" // once
	}
}
