package apitest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Tokens is enrollment in memory. It checks what the domain checks.
type Tokens struct {
	now   func() time.Time
	fleet *Fleet

	mu       sync.Mutex
	requests []enroll.TokenRequest
	onCreate func()
	tokens   []enroll.Token
	err      error
}

// Fail makes every call return err; nil ends that.
func (f *Tokens) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// OnCreate runs fn in each Create; nil ends that.
func (f *Tokens) OnCreate(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onCreate = fn
}

// Requests are the requests that reached Create.
func (f *Tokens) Requests() []enroll.TokenRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Put adds tokens as they are.
func (f *Tokens) Put(t ...enroll.Token) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens = append(f.tokens, t...)
}

// Create implements api.Tokens.
func (f *Tokens) Create(_ context.Context, r enroll.TokenRequest) (enroll.Token, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	if f.onCreate != nil {
		f.onCreate()
	}
	if f.err != nil {
		return enroll.Token{}, "", f.err
	}
	if r.TTL == 0 {
		r.TTL = enroll.DefaultTTL
	}
	if r.TTL < enroll.MinTTL || r.TTL > enroll.MaxTTL {
		return enroll.Token{}, "", &enroll.FieldError{Field: "ttl", Err: errors.New("outside the limits")}
	}
	if f.fleet.live(r.Workload) && !r.Replace {
		return enroll.Token{}, "", fmt.Errorf("create enrollment token: %w", enroll.ErrLiveMember)
	}
	n := len(f.tokens) + 1
	t := enroll.Token{
		ID: fmt.Sprintf("tok_%016x", n), Workload: r.Workload, Replace: r.Replace, Source: r.Source,
		CreatedBy: r.Actor, CreatedAt: f.now(), ExpiresAt: f.now().Add(r.TTL),
		Delivery: cmp.Or(r.Delivery, enroll.Plain),
	}
	f.tokens = append(f.tokens, t)
	return t, fmt.Sprintf("ztc_secret%d", n), nil
}

// List returns all tokens in the order in which they were made.
func (f *Tokens) List(context.Context) ([]enroll.Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.tokens), f.err
}

// TokenPage implements api.Tokens. It knows only the newest first; the store has the other
// orders.
func (f *Tokens) TokenPage(_ context.Context, q enroll.TokenQuery) (out fleet.Page[enroll.Token], err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Clone(f.tokens)
	slices.Reverse(all)
	behind := q.After == (fleet.Place{})
	for _, t := range all {
		text := strings.ToLower(t.ID + " " + t.Workload.String() + " " + t.CreatedBy + " " + string(t.HostID))
		if q.State != "" && t.State(f.now()) != q.State || !strings.Contains(text, strings.ToLower(q.Search)) {
			continue
		}
		out.Total++
		switch {
		case behind && len(out.Items) < q.Limit:
			out.Items = append(out.Items, t)
		case behind && out.Next == (fleet.Place{}):
			out.Next = fleet.Place{Key: "0", ID: out.Items[q.Limit-1].ID}
		}
		behind = behind || t.ID == q.After.ID
	}
	return out, f.err
}

// Token implements api.Tokens.
func (f *Tokens) Token(_ context.Context, id string) (enroll.Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.tokens, func(t enroll.Token) bool { return t.ID == id })
	if i < 0 || f.err != nil {
		return enroll.Token{}, cmp.Or(f.err, enroll.ErrTokenNotFound)
	}
	return f.tokens[i], nil
}

// Revoke implements api.Tokens.
func (f *Tokens) Revoke(_ context.Context, id, _, _, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.tokens, func(t enroll.Token) bool { return t.ID == id })
	if f.err != nil {
		return f.err
	}
	if i < 0 {
		return enroll.ErrTokenNotFound
	}
	f.tokens[i].RevokedAt = f.now()
	return nil
}

// Redeem is a host that enrolls with a token, which may be revoked by now.
func (f *Tokens) Redeem(id, memberID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.tokens, func(t enroll.Token) bool { return t.ID == id })
	t := &f.tokens[i]
	t.Workload.ID, t.RevokedAt, t.ClaimedAt = memberID, time.Time{}, f.now()
}

// Fleet is a fleet in memory.
type Fleet struct {
	now func() time.Time

	mu          sync.Mutex
	connectors  []fleet.Connector
	tunnelers   []fleet.Tunneler
	hosts       []fleet.Host
	networks    []fleet.Network
	edits       []fleet.By
	revocations []fleet.Revocation
	err         error
	panics      bool
}

// Fail makes every call return err; nil ends that.
func (f *Fleet) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Panic makes every list panic.
func (f *Fleet) Panic() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.panics = true
}

// AddConnector enrolls a connector; edit may be nil.
func (f *Fleet) AddConnector(id string, edit func(*fleet.Connector)) {
	c := fleet.Connector{Member: f.member(identity.KindConnector, id), NetworkID: fleet.DefaultNetwork}
	if edit != nil {
		edit(&c)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.connectors = append(f.connectors, c)
}

// AddTunneler enrolls a tunneler; edit may be nil.
func (f *Fleet) AddTunneler(id string, edit func(*fleet.Tunneler)) {
	t := fleet.Tunneler{Member: f.member(identity.KindTunneler, id)}
	if edit != nil {
		edit(&t)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tunnelers = append(f.tunnelers, t)
}

func (f *Fleet) member(kind identity.Kind, id string) fleet.Member {
	return fleet.Member{
		Workload: identity.Workload{Kind: kind, ID: id}, HostID: identity.HostID(strings.Repeat("ab", 16)),
		EnrolledAt: f.now(), Version: "v1.2.3", About: fleet.About{Revision: 1},
	}
}

// Revocations are those that took effect or were repeated.
func (f *Fleet) Revocations() []fleet.Revocation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.revocations)
}

// Lists implements api.Fleet and fleet.SeriesSource.
func (f *Fleet) Lists(context.Context) (*fleet.Lists, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("the secret ztc_panicked")
	}
	connectors, tunnelers := slices.Clone(f.connectors), slices.Clone(f.tunnelers)
	return fleet.NewLists(rows{connectors, tunnelers}, connectors, tunnelers, f.hosts), f.err
}

// rows know as much of the presence of members as is in them.
type rows struct {
	connectors []fleet.Connector
	tunnelers  []fleet.Tunneler
}

// Connector implements fleet.Present.
func (r rows) Connector(id string, stored time.Time) presence.State {
	i := slices.IndexFunc(r.connectors, func(c fleet.Connector) bool { return c.ID == id })
	return received(r.connectors[i].Presence, stored)
}

// Tunneler implements fleet.Present.
func (r rows) Tunneler(id string, stored time.Time) (presence.State, string, []presence.Session) {
	i := slices.IndexFunc(r.tunnelers, func(t fleet.Tunneler) bool { return t.ID == id })
	t := r.tunnelers[i]
	return received(t.Presence, stored), t.ConnectorID, t.Sessions
}

// LastSeen implements fleet.Present.
func (r rows) LastSeen(w identity.Workload, stored time.Time) time.Time {
	if w.Kind == identity.KindConnector {
		return r.Connector(w.ID, stored).LastSeen
	}
	p, _, _ := r.Tunneler(w.ID, stored)
	return p.LastSeen
}

func received(p presence.State, stored time.Time) presence.State {
	if p.LastSeen.Before(stored) {
		p.LastSeen = stored
	}
	return p
}

// AddHost enrolls a host; edit may be nil.
func (f *Fleet) AddHost(id identity.HostID, edit func(*fleet.Host)) {
	h := fleet.Host{ID: id, Hostname: "host-" + string(id), EnrolledAt: f.now(), About: fleet.About{Revision: 1}}
	if edit != nil {
		edit(&h)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts = append(f.hosts, h)
}

// Activity implements fleet.SeriesSource.
func (f *Fleet) Activity() presence.Activity { return presence.Activity{Heartbeats: 7, Rotations: 1} }

// Connector implements api.Fleet.
func (f *Fleet) Connector(_ context.Context, id string) (fleet.Connector, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return oneOf(f.connectors, f.err, func(c fleet.Connector) bool { return c.ID == id })
}

// Tunneler implements api.Fleet.
func (f *Fleet) Tunneler(_ context.Context, id string) (fleet.Tunneler, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return oneOf(f.tunnelers, f.err, func(t fleet.Tunneler) bool { return t.ID == id })
}

// Host implements api.Fleet.
func (f *Fleet) Host(_ context.Context, id identity.HostID) (fleet.HostMembers, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, err := oneOf(f.hosts, f.err, func(h fleet.Host) bool { return h.ID == id })
	out := fleet.HostMembers{Host: h}
	for i := range f.connectors {
		if c := &f.connectors[i]; c.HostID == id {
			out.Members = append(out.Members, fleet.NewHostMember(&c.Member, c.Presence))
		}
	}
	for i := range f.tunnelers {
		if t := &f.tunnelers[i]; t.HostID == id {
			out.Members = append(out.Members, fleet.NewHostMember(&t.Member, t.Presence))
		}
	}
	return out, err
}

func oneOf[T any](all []T, err error, is func(T) bool) (out T, _ error) {
	if i := slices.IndexFunc(all, is); i >= 0 && err == nil {
		return all[i], nil
	}
	return out, cmp.Or(err, fleet.ErrNotFound)
}

// Networks implements api.Fleet.
func (f *Fleet) Networks(context.Context) ([]fleet.Network, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]fleet.Network{{ID: fleet.DefaultNetwork, Name: "Default", Revision: 1}}, f.networks...), f.err
}

// Revoke implements api.Fleet.
func (f *Fleet) Revoke(_ context.Context, r fleet.Revocation) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	m := f.find(r.Workload)
	if m == nil {
		return fmt.Errorf("revoke %s: %w", r.Workload, fleet.ErrNotFound)
	}
	f.revocations = append(f.revocations, r)
	if m.Live() {
		m.RevokedAt = f.now()
	}
	return nil
}

func (f *Fleet) find(w identity.Workload) *fleet.Member {
	for i := range f.connectors {
		if f.connectors[i].Workload == w {
			return &f.connectors[i].Member
		}
	}
	for i := range f.tunnelers {
		if f.tunnelers[i].Workload == w {
			return &f.tunnelers[i].Member
		}
	}
	return nil
}

func (f *Fleet) live(w identity.Workload) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.find(w)
	return m != nil && m.Live()
}
