package enrolltest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

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
	joined  int
}

// NewSPIRE returns a server without entries and agents.
func NewSPIRE(td spiffeid.TrustDomain) *SPIRE {
	return &SPIRE{TrustDomain: td, entries: map[string]fleet.Entry{}, agents: map[spiffeid.ID]fleet.Agent{}, fail: map[string]error{}}
}

// Fail makes the next call of the named method return err.
func (s *SPIRE) Fail(method string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[method] = err
}

func (s *SPIRE) failure(method string) error {
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
	delete(s.entries, id)
	return s.failure("DeleteEntry")
}

// Entries implements fleet.SPIRE.
func (s *SPIRE) Entries(context.Context) ([]fleet.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []fleet.Entry
	for _, e := range s.entries {
		out = append(out, e)
	}
	return out, s.failure("Entries")
}

// Agent implements fleet.SPIRE.
func (s *SPIRE) Agent(_ context.Context, id spiffeid.ID) (fleet.Agent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.agents[id]
	if !ok {
		return a, fleet.ErrNotFound
	}
	return a, s.failure("Agent")
}

// Agents implements fleet.SPIRE.
func (s *SPIRE) Agents(context.Context) ([]fleet.Agent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []fleet.Agent
	for _, a := range s.agents {
		out = append(out, a)
	}
	return out, s.failure("Agents")
}

// BanAgent implements fleet.SPIRE.
func (s *SPIRE) BanAgent(_ context.Context, id spiffeid.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.agents[id]
	if !ok {
		return fleet.ErrNotFound
	}
	a.Banned = true
	s.agents[id] = a
	return s.failure("BanAgent")
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
