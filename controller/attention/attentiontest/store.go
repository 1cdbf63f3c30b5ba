package attentiontest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// Store keeps dismissals and their audit events in memory.
type Store struct {
	mu     sync.Mutex
	ids    map[string]bool
	events []audit.Event
	err    error
}

// Fail makes every call return err; nil ends that.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Events are the audit events of the dismissals.
func (s *Store) Events() []audit.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Dismissals implements attention.Store.
func (s *Store) Dismissals(context.Context) (map[string]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ids), s.err
}

// AttentionTx implements attention.Store.
func (s *Store) AttentionTx(_ context.Context, fn func(attention.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.ids == nil {
		s.ids = map[string]bool{}
	}
	return fn(tx{s})
}

type tx struct{ s *Store }

func (t tx) Dismiss(_ context.Context, id string, _ time.Time) (bool, error) {
	added := !t.s.ids[id]
	t.s.ids[id] = true
	return added, nil
}

func (t tx) KeepDismissals(context.Context, int) error { return nil }

func (t tx) AppendAudit(_ context.Context, e audit.Event) error {
	t.s.events = append(t.s.events, e)
	return nil
}
