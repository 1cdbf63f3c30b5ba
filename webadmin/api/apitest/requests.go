package apitest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Requests are enrollment requests and claim links in memory.
type Requests struct {
	now func() time.Time

	mu       sync.Mutex
	requests []enroll.Request
	verdicts []enroll.Verdict
	links    map[string]enroll.Token
	openings []enroll.Opening
}

// Put adds requests as they are.
func (f *Requests) Put(r ...enroll.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r...)
}

// PutLink adds a claim link, which opens once and holds the token "ztc_claimed".
func (f *Requests) PutLink(code string, t enroll.Token) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links[code] = t
}

// Verdicts are those that reached Approve and Deny.
func (f *Requests) Verdicts() []enroll.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.verdicts)
}

// Openings are those that reached OpenClaim.
func (f *Requests) Openings() []enroll.Opening {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.openings)
}

// RequestPage implements api.Requests. It knows only the newest first, and one page; the
// store has the other orders.
func (f *Requests) RequestPage(_ context.Context, q enroll.RequestQuery) (out fleet.Page[enroll.Request], err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		text := strings.ToLower(r.ID + " " + r.Code + " " + r.Workload.String() + " " + r.Facts.Hostname)
		if (q.State == "" || r.State(f.now()) == q.State) && strings.Contains(text, strings.ToLower(q.Search)) {
			out.Items = append(out.Items, r)
		}
	}
	slices.SortStableFunc(out.Items, func(a, b enroll.Request) int { return b.CreatedAt.Compare(a.CreatedAt) })
	out.Total = len(out.Items)
	out.Items = out.Items[:min(q.Limit, out.Total)]
	return out, nil
}

// Request implements api.Requests.
func (f *Requests) Request(_ context.Context, id string) (enroll.Request, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if r.ID == id {
			return r, nil
		}
	}
	return enroll.Request{}, enroll.ErrRequestNotFound
}

// Approve implements api.Requests.
func (f *Requests) Approve(_ context.Context, v enroll.Verdict) (enroll.Request, error) {
	return f.decide(v, enroll.Approved)
}

// Deny implements api.Requests.
func (f *Requests) Deny(_ context.Context, v enroll.Verdict) (enroll.Request, error) {
	return f.decide(v, enroll.Denied)
}

func (f *Requests) decide(v enroll.Verdict, d enroll.Decision) (enroll.Request, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.verdicts = append(f.verdicts, v)
	i := slices.IndexFunc(f.requests, func(r enroll.Request) bool { return r.ID == v.ID })
	switch {
	case i < 0:
		return enroll.Request{}, enroll.ErrRequestNotFound
	case f.requests[i].State(f.now()) != enroll.RequestPending:
		return enroll.Request{}, errors.Join(enroll.ErrRequestDecided)
	case d == enroll.Approved && !keys.SameFingerprint(f.requests[i].Fingerprint, v.Fingerprint):
		f.requests[i].Mismatches++
		return enroll.Request{}, enroll.ErrFingerprint
	}
	f.requests[i].Decision, f.requests[i].DecidedAt, f.requests[i].DecidedBy = d, f.now(), v.Actor
	return f.requests[i], nil
}

// OpenClaim implements api.Claims.
func (f *Requests) OpenClaim(_ context.Context, o enroll.Opening) (enroll.Token, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.openings = append(f.openings, o)
	t, ok := f.links[o.Code]
	if !ok {
		return enroll.Token{}, "", enroll.ErrClaimRefused
	}
	delete(f.links, o.Code)
	return t, "ztc_claimed", nil
}
