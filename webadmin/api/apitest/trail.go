package apitest

import (
	"context"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// Trail is an audit log in memory.
type Trail struct {
	mu    sync.Mutex
	Rows  []audit.Row // oldest first
	Asked []audit.Query
	// Renewals are of SVIDs, oldest first.
	Renewals      []audit.Renewal
	AskedRenewals []audit.RenewalQuery
	Head          audit.SignedCheckpoint
	State         audit.CheckState
	Others        []audit.Witness
	Err           error
}

// FindAudit implements api.Trail.
func (t *Trail) FindAudit(_ context.Context, q audit.Query) (audit.Page, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Asked = append(t.Asked, q)
	var out audit.Page
	for i := range t.Rows {
		r := t.Rows[i]
		if !q.Oldest {
			r = t.Rows[len(t.Rows)-1-i]
		}
		seen := q.After > 0 && (q.Oldest && r.Seq <= q.After || !q.Oldest && r.Seq >= q.After)
		if seen || !q.Matches(r.Event) {
			continue
		}
		if len(out.Rows) == q.Limit {
			out.Next = out.Rows[q.Limit-1].Seq
			break
		}
		out.Rows = append(out.Rows, r)
	}
	return out, t.Err
}

// AuditTotal implements api.Trail.
func (t *Trail) AuditTotal(context.Context) (int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int64(len(t.Rows)), t.Err
}

// FindRenewals implements api.Trail.
func (t *Trail) FindRenewals(_ context.Context, q audit.RenewalQuery) (audit.RenewalPage, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.AskedRenewals = append(t.AskedRenewals, q)
	var out audit.RenewalPage
	for i := range t.Renewals {
		r := t.Renewals[i]
		if !q.Oldest {
			r = t.Renewals[len(t.Renewals)-1-i]
		}
		if q.After > 0 && (q.Oldest && r.Seq <= q.After || !q.Oldest && r.Seq >= q.After) || !q.Matches(r) {
			continue
		}
		if len(out.Renewals) == q.Limit {
			out.Next = out.Renewals[q.Limit-1].Seq
			break
		}
		out.Renewals = append(out.Renewals, r)
	}
	return out, t.Err
}

// Checkpoint implements api.Trail.
func (t *Trail) Checkpoint() (audit.SignedCheckpoint, string) { return t.Head, "verifier key" }

// Verified implements api.Trail.
func (t *Trail) Verified() audit.CheckState { return t.State }

// Witnesses implements api.Trail.
func (t *Trail) Witnesses(context.Context) ([]audit.Witness, error) { return t.Others, t.Err }
