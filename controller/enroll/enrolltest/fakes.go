package enrolltest

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// SPIRE is a SPIRE server in memory. Fail makes the next call of a method fail.
type SPIRE struct {
	TrustDomain spiffeid.TrustDomain

	mu      sync.Mutex
	entries map[string]fleet.Entry
	agents  map[spiffeid.ID]fleet.Agent
	fail    map[string]error
	calls   map[string]int
	away    bool
	joined  int
}

// NewSPIRE returns a server without entries and agents.
func NewSPIRE(td spiffeid.TrustDomain) *SPIRE {
	return &SPIRE{TrustDomain: td, entries: map[string]fleet.Entry{}, agents: map[spiffeid.ID]fleet.Agent{}, fail: map[string]error{}, calls: map[string]int{}}
}

// Fail makes the next call of the named method return err.
func (s *SPIRE) Fail(method string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[method] = err
}

// Away has every call fail until it is back, and change nothing.
func (s *SPIRE) Away(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

var errAway = errors.New("connection refused")

func (s *SPIRE) failure(method string) error {
	if s.away {
		return errAway
	}
	err := s.fail[method]
	delete(s.fail, method)
	return err
}

// Attest makes an agent known, as its attestation would. One that is banned stays.
func (s *SPIRE) Attest(id spiffeid.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.agents[id].Banned {
		s.agents[id] = fleet.Agent{ID: id}
	}
}

// AttestAs makes SPIRE list the agent like this.
func (s *SPIRE) AttestAs(a fleet.Agent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents[a.ID] = a
}

// Unban undoes a ban, as an attestation in flight can.
func (s *SPIRE) Unban(id spiffeid.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents[id] = fleet.Agent{ID: id}
}

// PutEntry implements fleet.SPIRE.
func (s *SPIRE) PutEntry(_ context.Context, e fleet.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["PutEntry"]++
	if err := s.failure("PutEntry"); err != nil {
		return err
	}
	s.entries[e.ID] = e
	return nil
}

// DeleteEntry implements fleet.SPIRE.
func (s *SPIRE) DeleteEntry(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["DeleteEntry"]++
	err := s.failure("DeleteEntry")
	if err == nil {
		delete(s.entries, id)
	}
	return err
}

// Entries are all that there are.
func (s *SPIRE) Entries() []fleet.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.entries))
}

// EntriesOf implements fleet.SPIRE.
func (s *SPIRE) EntriesOf(_ context.Context, id spiffeid.ID) ([]fleet.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["EntriesOf"]++
	var out []fleet.Entry
	for _, e := range s.entries {
		if e.SPIFFEID == id && strings.HasPrefix(e.ID, fleet.EntryIDPrefix) {
			out = append(out, e)
		}
	}
	return out, s.failure("EntriesOf")
}

// PageSize is how many entries or agents are in a page.
const PageSize = 200

// EachEntries implements fleet.SPIRE.
func (s *SPIRE) EachEntries(_ context.Context, fn func([]fleet.Entry) error) error {
	s.mu.Lock()
	all := make([]fleet.Entry, 0, len(s.entries))
	for _, id := range slices.Sorted(maps.Keys(s.entries)) {
		if strings.HasPrefix(id, fleet.EntryIDPrefix) {
			all = append(all, s.entries[id])
		}
	}
	err := s.failure("EachEntries")
	s.mu.Unlock()
	return pages(s, "EachEntries", all, fn, err)
}

// EachAgents implements fleet.SPIRE.
func (s *SPIRE) EachAgents(_ context.Context, fn func([]fleet.Agent) error) error {
	s.mu.Lock()
	var all []fleet.Agent
	for _, a := range s.agents {
		if !a.Banned {
			all = append(all, a)
		}
	}
	err := s.failure("EachAgents")
	s.mu.Unlock()
	return pages(s, "EachAgents", all, fn, err)
}

// pages counts each page as a call; an error comes after the first.
func pages[T any](s *SPIRE, method string, all []T, fn func([]T) error, err error) error {
	for page := range slices.Chunk(all, PageSize) {
		s.mu.Lock()
		s.calls[method]++
		s.mu.Unlock()
		if err := fn(page); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	return err
}

// Calls counts the calls of all methods since the last time it was asked.
func (s *SPIRE) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.calls
	s.calls = map[string]int{}
	return out
}

// Agent implements fleet.SPIRE.
func (s *SPIRE) Agent(_ context.Context, id spiffeid.ID) (fleet.Agent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["Agent"]++
	if err := s.failure("Agent"); err != nil {
		return fleet.Agent{}, err
	}
	a, ok := s.agents[id]
	if !ok {
		return a, fleet.ErrNotFound
	}
	return a, nil
}

// Agents lists all that have attested.
func (s *SPIRE) Agents(context.Context) ([]fleet.Agent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.agents)), s.failure("Agents")
}

// AgentPage lists a page of all that have attested.
func (s *SPIRE) AgentPage(_ context.Context, token string) (page []fleet.Agent, next string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["AgentPage"]++
	for _, id := range slices.SortedFunc(maps.Keys(s.agents), func(a, b spiffeid.ID) int { return cmp.Compare(a.String(), b.String()) }) {
		switch {
		case id.String() <= token:
		case len(page) == PageSize:
			return page, page[len(page)-1].ID.String(), s.failure("AgentPage")
		default:
			page = append(page, s.agents[id])
		}
	}
	return page, "", s.failure("AgentPage")
}

// BanAgent implements fleet.SPIRE.
func (s *SPIRE) BanAgent(_ context.Context, id spiffeid.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["BanAgent"]++
	a, ok := s.agents[id]
	if !ok {
		return fleet.ErrNotFound
	}
	err := s.failure("BanAgent")
	if err == nil {
		a.Banned = true
		s.agents[id] = a
	}
	return err
}

// CreateJoinToken implements enroll.SPIRE.
func (s *SPIRE) CreateJoinToken(context.Context, time.Duration) (string, spiffeid.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joined++
	token := fmt.Sprintf("join-%d", s.joined)
	id, err := identity.JoinTokenAgentID(s.TrustDomain, token)
	return token, id, err
}

// Changes records what was announced.
type Changes struct {
	mu      sync.Mutex
	revoked []fleet.Member
	calls   int
}

// MembersChanged implements enroll.Changed and fleet.Changed.
func (c *Changes) MembersChanged(revoked []fleet.Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.revoked = append(c.revoked, revoked...)
}

// Revoked lists the members announced as revoked.
func (c *Changes) Revoked() []fleet.Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]fleet.Member(nil), c.revoked...)
}

// Key is a host key with its certificate request.
type Key struct {
	Private *ecdsa.PrivateKey
	CSR     []byte
}

// NewKey draws a P-256 host key.
func NewKey(tb testing.TB) Key {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	require.NoError(tb, err)
	return Key{Private: key, CSR: csr}
}

// Pager lists tokens.
type Pager interface {
	TokenPage(ctx context.Context, q enroll.TokenQuery) (fleet.Page[enroll.Token], error)
}

// Tokens lists all tokens, newest first.
func Tokens(ctx context.Context, s Pager) ([]enroll.Token, error) {
	page, err := s.TokenPage(ctx, enroll.TokenQuery{Sort: enroll.ByCreation, Descending: true, Limit: 1000})
	return page.Items, err
}
