package audit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

type memory struct {
	mu       sync.Mutex
	events   []audit.Event
	renewals []audit.Renewal
	fail     error
}

func (m *memory) AppendRenewals(_ context.Context, all []audit.Renewal) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	m.renewals = append(m.renewals, all...)
	return len(all), nil
}

// all is for a test beside which something else records.
func (m *memory) all() []audit.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

func (m *memory) AppendAudit(_ context.Context, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.events = append(m.events, e)
	return nil
}

func TestRecord(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("elsewhere", 3600))
	core, logs := observer.New(zap.DebugLevel)
	l := audit.New(zap.New(core), func() time.Time { return now })
	e := audit.Event{
		Time: now.Add(-time.Hour), Actor: "key:bootstrap", Action: audit.TokenCreate, Target: "token/tok_1",
		Outcome: audit.Denied, Reason: "why", RequestID: "r1", Source: "192.0.2.1:1",
	}
	s := &memory{}
	require.NoError(t, l.Record(t.Context(), s, e))
	e.Time = now.UTC()
	require.Empty(t, cmp.Diff([]audit.Event{e}, s.events), "the time is ours, in UTC, and not the caller's")
	require.Empty(t, cmp.Diff(map[string]any{
		"actor": "key:bootstrap", "action": "token.create", "target": "token/tok_1", "outcome": "denied", "reason": "why",
		"request_id": "r1", "caller_addr": "192.0.2.1:1",
	}, logs.FilterMessage("audit event").TakeAll()[0].ContextMap()))

	t.Run("what cannot be stored is not logged as if it were, and fails the change", func(t *testing.T) {
		t.Parallel()
		core, logs := observer.New(zap.DebugLevel)
		l := audit.New(zap.New(core), time.Now)
		full := errors.New("disk full")
		require.ErrorIs(t, l.Record(t.Context(), &memory{fail: full}, e), full)
		require.Zero(t, logs.Len())
	})
}

func newLog(t *testing.T) *audit.Log {
	t.Helper()
	return audit.New(zap.NewNop(), time.Now)
}
