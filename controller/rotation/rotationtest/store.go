package rotationtest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

// Store keeps rotations and audit events in memory. A transaction that fails
// leaves nothing.
type Store struct {
	changelogtest.Log

	mu     sync.Mutex
	all    []rotation.Rotation
	events []audit.Event
}

// Events are the audit events of committed transactions.
func (s *Store) Events() []audit.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Rotation implements rotation.Store.
func (s *Store) Rotation(context.Context) (rotation.Rotation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return newest(s.all)
}

func newest(all []rotation.Rotation) (rotation.Rotation, error) {
	for _, r := range all {
		if !r.Finished() {
			return clone(r), nil
		}
	}
	if len(all) == 0 {
		return rotation.Rotation{}, rotation.ErrNone
	}
	return clone(all[len(all)-1]), nil
}

// RotationTx implements rotation.Store.
func (s *Store) RotationTx(_ context.Context, fn func(rotation.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &tx{all: slices.Clone(s.all)}
	if err := fn(t); err != nil {
		return err
	}
	s.all, s.events = t.all, append(s.events, t.events...)
	s.Add(t.changes...)
	s.Wake()
	return nil
}

type tx struct {
	all     []rotation.Rotation
	events  []audit.Event
	changes []changelog.Change
}

func (t *tx) AppendAudit(_ context.Context, e audit.Event) error {
	t.events = append(t.events, e)
	return nil
}

func (t *tx) Rotation(context.Context) (rotation.Rotation, error) { return newest(t.all) }

func (t *tx) PutRotation(_ context.Context, r rotation.Rotation) error {
	t.changes = append(t.changes, changelog.Change{Kind: changelog.Rotation, ID: r.ID, Op: changelog.Changed})
	i := slices.IndexFunc(t.all, func(o rotation.Rotation) bool { return o.ID == r.ID })
	if i < 0 {
		t.all = append(t.all, clone(r))
		return nil
	}
	t.all[i] = clone(r)
	return nil
}

// clone loses what is not stored.
func clone(r rotation.Rotation) rotation.Rotation {
	var out rotation.Rotation
	text, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}
