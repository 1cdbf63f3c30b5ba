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
	if q.Recorded != nil {
		return f.recorded(q), f.Err
	}
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

// recorded is FindFlows in the order of the numbers.
func (f *Flows) recorded(q flows.Query) flows.Page {
	out := flows.Page{Last: *q.Recorded}
	for _, r := range f.Records {
		switch {
		case *q.Recorded < 0:
			out.Last = max(out.Last, r.Seq, 0)
		case r.Seq > *q.Recorded && len(out.Records) < q.Limit:
			if out.Last = r.Seq; q.Matches(r) {
				out.Records = append(out.Records, r)
			}
		}
	}
	out.Last = max(out.Last, 0)
	return out
}

// Add adds a record, as a connector does meanwhile.
func (f *Flows) Add(r flows.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Records = append(f.Records, r)
}

// Totals implements api.Flows.
func (f *Flows) Totals() flows.Totals { return f.Sums }
