package enroll

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Await is a host that waits for the decision on its request.
type Await struct {
	ID string // of the request
	// Challenge and Exporter are of this stream and connection; Signature is the
	// host's over them.
	Challenge, Exporter, Signature []byte
	Source                         netip.AddrPort
	RequestID                      string
}

// Await waits until the request is decided and provisions the host as Redeem
// does. Errors: ErrRefused for whoever is not the host, ErrRequestDenied,
// ErrRequestExpired, ErrRequestTaken.
func (s *Service) Await(ctx context.Context, a Await) (Enrollment, error) {
	q, err := s.prove(ctx, a)
	if err != nil {
		return Enrollment{}, err
	}
	w := s.waiting.enter(q.ID)
	defer s.waiting.leave(q.ID, w)
	for {
		if q, err = s.cfg.Store.Request(ctx, q.ID); err != nil {
			return Enrollment{}, fmt.Errorf("await decision: %w", err)
		}
		now := s.cfg.Now()
		switch state := q.State(now); state {
		case RequestState(Approved), RequestEnrolled:
			return s.collect(ctx, q, a)
		case RequestExpired:
			return Enrollment{}, ErrRequestExpired
		case RequestPending:
		default:
			return Enrollment{}, ErrRequestDenied
		}
		timer := time.NewTimer(q.ExpiresAt.Sub(now))
		select {
		case <-w.wake:
		case <-timer.C:
		case <-w.taken:
			timer.Stop()
			return Enrollment{}, ErrRequestTaken
		case <-ctx.Done():
			timer.Stop()
			return Enrollment{}, ctx.Err()
		}
		timer.Stop()
	}
}

// prove finds the request and checks that the caller holds its key. An unknown
// request and a wrong signature are one answer.
func (s *Service) prove(ctx context.Context, a Await) (Request, error) {
	q, err := s.cfg.Store.Request(ctx, a.ID)
	if errors.Is(err, ErrRequestNotFound) {
		return Request{}, s.refuseAwait(ctx, a, whyRequest)
	}
	if err != nil {
		return Request{}, fmt.Errorf("await decision: %w", err)
	}
	key, err := Redemption{Workload: q.Workload, Facts: q.Facts, CSR: q.CSR}.validate()
	if err != nil {
		return Request{}, fmt.Errorf("stored request: %w", err)
	}
	// The exporter ties the answer to this connection, the challenge to this stream: a
	// signature that was seen elsewhere serves nobody.
	if err := keys.Verify(key.public, keys.AwaitMessage(q.ID, a.Challenge, a.Exporter), a.Signature); err != nil {
		return Request{}, s.refuseAwait(ctx, a, whyProof)
	}
	return q, nil
}

func (s *Service) refuseAwait(ctx context.Context, a Await, why string) error {
	refused := &refusedError{why}
	return errors.Join(refused, s.cfg.Audit.Record(ctx, s.cfg.Store, audit.Event{
		Action: audit.Enroll, Target: "request", Outcome: audit.Denied, Reason: why, RequestID: a.RequestID, Source: a.Source.String(),
	}))
}

// collect redeems the token of an approved request. It is Redeem, with what was
// approved and the proved key in the place of a secret.
func (s *Service) collect(ctx context.Context, q Request, a Await) (Enrollment, error) {
	r := Redemption{
		tokenID: q.TokenID, asked: q.ID, Workload: q.Workload, CSR: q.CSR, Facts: q.Facts, Ephemeral: q.Ephemeral,
		Source: a.Source, RequestID: a.RequestID,
	}
	if len(q.HostCertificate) > 0 {
		cert, err := x509.ParseCertificate(q.HostCertificate)
		if err != nil {
			return Enrollment{}, fmt.Errorf("stored host certificate: %w", err)
		}
		r.HostCertificate = cert
	}
	return s.Redeem(ctx, r)
}

// waiting are the hosts that wait here, one for each request.
type waiting struct {
	mu      sync.Mutex
	waiters map[string]*waiter
}

type waiter struct {
	wake  topic.Hint
	taken chan struct{} // closed when a newer one sits down
}

func (w *waiting) enter(id string) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old := w.waiters[id]; old != nil {
		close(old.taken)
	}
	if w.waiters == nil {
		w.waiters = map[string]*waiter{}
	}
	s := &waiter{wake: topic.NewHint(), taken: make(chan struct{})}
	w.waiters[id] = s
	return s
}

func (w *waiting) leave(id string, s *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiters[id] == s {
		delete(w.waiters, id)
	}
}

// FollowRequests wakes the hosts that wait here when their request was decided, by
// whichever controller, until ctx ends.
func (s *Service) FollowRequests(ctx context.Context) error { return s.follower.Run(ctx) }

// Position is that of FollowRequests in the change log.
func (s *Service) Position() uint64 { return s.follower.Position() }

// decisions implements changelog.Reader.
type decisions struct{ *waiting }

// Sync has every host read its request again.
func (d decisions) Sync(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.waiters {
		s.call()
	}
	return nil
}

// Apply has the hosts whose requests changed read them again.
func (d decisions) Apply(_ context.Context, changes []changelog.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range changes {
		if s := d.waiters[c.ID]; s != nil && c.Kind == changelog.Request {
			s.call()
		}
	}
	return nil
}

// Settled implements changelog.Reader.
func (decisions) Settled(context.Context) error { return nil }

func (s *waiter) call() {
	s.wake.Wake()
}
