package apitest

import (
	"context"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/replay"
)

// Replays keeps idempotency records in memory.
type Replays struct {
	mu      sync.Mutex
	records map[[2]string]replay.Record
	begun   int
	err     error
}

// Begun is how many requests came with a key.
func (s *Replays) Begun() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

// Fail makes every call return err; nil ends that.
func (s *Replays) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// All are the records.
func (s *Replays) All() []replay.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []replay.Record
	for _, r := range s.records {
		out = append(out, r)
	}
	return out
}

// BeginRequest implements replay.Store.
func (s *Replays) BeginRequest(_ context.Context, r replay.Request, expired time.Time) (*replay.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if s.records == nil {
		s.records = map[[2]string]replay.Record{}
	}
	s.begun++
	id := [2]string{r.Actor, r.Key}
	if found, ok := s.records[id]; ok && found.StartedAt.After(expired) {
		return &found, nil
	}
	s.records[id] = replay.Record{Request: r}
	return nil, nil //nolint:nilnil // no record and no error
}

// FinishRequest implements replay.Store.
func (s *Replays) FinishRequest(ctx context.Context, r replay.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		r.Body = append([]byte{}, r.Body...)
		s.records[[2]string{r.Actor, r.Key}] = r
	}
	return s.err
}

// ForgetRequest implements replay.Store.
func (s *Replays) ForgetRequest(_ context.Context, actor, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		delete(s.records, [2]string{actor, key})
	}
	return s.err
}
