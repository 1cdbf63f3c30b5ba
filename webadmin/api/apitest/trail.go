package apitest

import (
	"context"
	"strings"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// Trail is an audit log in memory. It filters by action and target alone; the
// conformance suite of the store has the rest.
type Trail struct {
	mu     sync.Mutex
	Rows   []audit.Row // oldest first
	Asked  []audit.Query
	Head   audit.SignedCheckpoint
	State  audit.CheckState
	Others []audit.Witness
	Err    error
}

// FindAudit implements api.Trail.
func (t *Trail) FindAudit(_ context.Context, q audit.Query) ([]audit.Row, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Asked = append(t.Asked, q)
	var out []audit.Row
	for i := range t.Rows {
		r := t.Rows[i]
		if !q.Oldest {
			r = t.Rows[len(t.Rows)-1-i]
		}
		seen := q.After > 0 && (q.Oldest && r.Seq <= q.After || !q.Oldest && r.Seq >= q.After)
		if seen || !matches(q, r) {
			continue
		}
		if len(out) < q.Limit {
			out = append(out, r)
		}
	}
	return out, t.Err
}

func matches(q audit.Query, r audit.Row) bool {
	return (q.Action == "" || q.Action == r.Action) && strings.Contains(r.Target, q.Target)
}

// CountAudit implements api.Trail.
func (t *Trail) CountAudit(_ context.Context, q audit.Query) (int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := int64(0)
	for _, r := range t.Rows {
		if matches(q, r) {
			n++
		}
	}
	return n, t.Err
}

// Checkpoint implements api.Trail.
func (t *Trail) Checkpoint() (audit.SignedCheckpoint, string) { return t.Head, "verifier key" }

// Verified implements api.Trail.
func (t *Trail) Verified() audit.CheckState { return t.State }

// Witnesses implements api.Trail.
func (t *Trail) Witnesses(context.Context) ([]audit.Witness, error) { return t.Others, t.Err }
