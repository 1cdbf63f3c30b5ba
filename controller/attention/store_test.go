package attention_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// memory keeps dismissals and their audit events in memory.
type memory struct {
	mu     sync.Mutex
	ids    []string // the newest last
	events []audit.Event
	err    error
}

// Fail makes every call return err; nil ends that.
func (s *memory) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Events are the audit events of the dismissals.
func (s *memory) Events() []audit.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Dismissals implements attention.Store.
func (s *memory) Dismissals(context.Context) (map[string]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]bool, len(s.ids))
	for _, id := range s.ids {
		out[id] = true
	}
	return out, s.err
}

// AttentionTx implements attention.Store.
func (s *memory) AttentionTx(_ context.Context, fn func(attention.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return fn(tx{s})
}

type tx struct{ s *memory }

func (t tx) Dismiss(_ context.Context, id string, _ time.Time) (bool, error) {
	if slices.Contains(t.s.ids, id) {
		return false, nil
	}
	t.s.ids = append(t.s.ids, id)
	return true, nil
}

func (t tx) KeepDismissals(_ context.Context, most int) error {
	t.s.ids = t.s.ids[max(0, len(t.s.ids)-most):]
	return nil
}

func (t tx) AppendAudit(_ context.Context, e audit.Event) error {
	t.s.events = append(t.s.events, e)
	return nil
}
