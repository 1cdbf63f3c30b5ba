package apitest

import (
	"context"
	"slices"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
)

// Flows are records of flows in memory.
type Flows struct {
	mu      sync.Mutex
	Records []flows.Record // in the order of their ends
	Sums    flows.Totals
	Asked   []flows.Query
	Err     error
}

// FindFlows implements api.Flows.
func (f *Flows) FindFlows(_ context.Context, q flows.Query) (flows.Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Asked = append(f.Asked, q)
	all := slices.Clone(f.Records)
	if !q.Oldest {
		slices.Reverse(all)
	}
	if q.After != (flows.Place{}) {
		all = all[1+slices.IndexFunc(all, func(r flows.Record) bool { return r.Seq == q.After.Seq }):]
	}
	var out flows.Page
	for _, r := range all {
		if !q.Matches(r) {
			continue
		}
		if len(out.Records) == q.Limit {
			last := out.Records[q.Limit-1]
			out.Next = flows.Place{Ended: last.Ended, Seq: last.Seq}
			break
		}
		out.Records = append(out.Records, r)
	}
	return out, f.Err
}

// Totals implements api.Flows.
func (f *Flows) Totals() flows.Totals { return f.Sums }
