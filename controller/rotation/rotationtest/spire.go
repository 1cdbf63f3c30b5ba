package rotationtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

// The errors of SPIRE's LocalAuthority API, with the codes it gives them.
var (
	ErrUnexpectedID = errors.New("unexpected authority ID (InvalidArgument)")
	ErrNotOld       = errors.New("only Old local authorities can be tainted (InvalidArgument)")
	ErrNotPrepared  = errors.New("only Prepared authorities can be activated (Internal)")
	ErrTaintedTwice = errors.New("failed to taint X.509 authority: root CA is already tainted (Internal)")
	ErrUntainted    = errors.New("it is not possible to revoke an untainted root CA (Internal)")
	ErrNoRoot       = errors.New("no root CA found with provided subject key ID (Internal)")
)

// status of the second slot.
type status int

const (
	empty status = iota
	prepared
	old
)

// SPIRE is a spire-server's authorities.
type SPIRE struct {
	now func() time.Time
	ttl time.Duration

	mu       sync.Mutex
	made     int
	current  rotation.Authority
	next     rotation.Authority
	status   status // of next
	bundle   []rotation.Authority
	upstream string
	calls    []string
}

// NewSPIRE returns a server that has just started, with the authority "ca-1".
func NewSPIRE(now func() time.Time, ttl time.Duration) *SPIRE {
	s := &SPIRE{now: now, ttl: ttl}
	s.current = s.make()
	return s
}

// make needs mu, or nobody else there.
func (s *SPIRE) make() rotation.Authority {
	s.made++
	a := rotation.Authority{ID: fmt.Sprintf("ca-%d", s.made), ExpiresAt: s.now().Add(s.ttl)}
	s.bundle = append(s.bundle, a)
	return a
}

// SetUpstream makes the server one with an UpstreamAuthority.
func (s *SPIRE) SetUpstream(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upstream = id
}

// Calls are those that changed something, as "prepare ca-2".
func (s *SPIRE) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Authorities implements rotation.SPIRE.
func (s *SPIRE) Authorities(context.Context) (rotation.Authorities, error) {
	return s.state(), nil
}

func (s *SPIRE) state() rotation.Authorities {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := rotation.Authorities{Active: s.current, Upstream: s.upstream, Bundle: slices.Clone(s.bundle)}
	switch s.status {
	case prepared:
		out.Prepared = s.next
	case old: // listed also after it was revoked
		out.Old = s.next
	case empty:
	}
	return out
}

// Prepare implements rotation.SPIRE. It overwrites the slot, whatever is in it.
func (s *SPIRE) Prepare(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.status = s.make(), prepared
	s.calls = append(s.calls, "prepare "+s.next.ID)
	return nil
}

// Activate implements rotation.SPIRE.
func (s *SPIRE) Activate(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case id != s.next.ID:
		return ErrUnexpectedID
	case s.status != prepared:
		return ErrNotPrepared
	}
	s.current, s.next, s.status = s.next, s.current, old
	s.calls = append(s.calls, "activate "+id)
	return nil
}

// Taint implements rotation.SPIRE.
func (s *SPIRE) Taint(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(id)
	switch {
	case id != s.next.ID:
		return ErrUnexpectedID
	case s.status != old:
		return ErrNotOld
	case i < 0:
		return ErrNoRoot
	case s.bundle[i].Tainted:
		return ErrTaintedTwice
	}
	s.bundle[i].Tainted = true
	s.calls = append(s.calls, "taint "+id)
	return nil
}

// Revoke implements rotation.SPIRE.
func (s *SPIRE) Revoke(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(id)
	switch {
	case id != s.next.ID || s.status != old:
		return ErrUnexpectedID
	case i < 0:
		return ErrNoRoot
	case !s.bundle[i].Tainted:
		return ErrUntainted
	}
	s.bundle = slices.Delete(s.bundle, i, i+1)
	s.calls = append(s.calls, "revoke "+id)
	return nil
}

func (s *SPIRE) index(id string) int {
	return slices.IndexFunc(s.bundle, func(a rotation.Authority) bool { return a.ID == id })
}
