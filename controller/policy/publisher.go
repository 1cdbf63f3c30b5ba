package policy

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/notify"
)

// Store is what a snapshot is made from.
type Store interface {
	PolicyRevision(ctx context.Context) (uint64, error)
	Connectors(ctx context.Context) ([]fleet.Connector, error)
	Tunnelers(ctx context.Context) ([]fleet.Tunneler, error)
}

const (
	// refreshEvery repairs a missed kick.
	refreshEvery = 30 * time.Second
	// reissueAfter keeps the issue time of an unchanged policy young: connectors
	// stop trusting a snapshot by its age. Until then nothing is sent again.
	reissueAfter = 10 * time.Minute
)

// Publisher makes snapshots and tells its subscribers of them.
type Publisher struct {
	td    spiffeid.TrustDomain
	store Store
	log   *zap.Logger
	now   func() time.Time
	kick  chan struct{}
	// published hears of each new revision after the subscribers do.
	published func(ctx context.Context, s *Snapshot) error
	pulse     notify.Pulse // asks Run whether it lives

	spread func(revision uint64, revoked []time.Time)
	making sync.Mutex // one snapshot is made at a time, so revisions never run backwards
	told   uint64     // the last revision that published took; under making
	mu     sync.Mutex
	last   *Snapshot
	subs   map[chan struct{}]struct{}
}

// NewPublisher returns a Publisher whose first snapshot names nobody.
func NewPublisher(td spiffeid.TrustDomain, store Store, log *zap.Logger, now func() time.Time) *Publisher {
	return &Publisher{
		td: td, store: store, log: log, now: now,
		kick: make(chan struct{}, 1), pulse: make(notify.Pulse), last: &Snapshot{}, subs: map[chan struct{}]struct{}{},
	}
}

// Follow has spread told, before anybody else, of each snapshot that no longer
// names who was named before, with the times of the revocations. Call it before
// Run; spread must not call back.
func (p *Publisher) Follow(spread func(revision uint64, revoked []time.Time)) { p.spread = spread }

// OnPublish sets what hears of each new revision, after the subscribers: the audit
// log. A revision that it could not take is given to it again. Set it before use.
func (p *Publisher) OnPublish(fn func(ctx context.Context, s *Snapshot) error) { p.published = fn }

// Current is the newest snapshot. It must not be changed.
func (p *Publisher) Current() *Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Subscribe returns a channel that gets a value after each publication, and a
// function that ends it.
func (p *Publisher) Subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subs[c] = struct{}{}
	return c, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.subs, c)
	}
}

// Kick asks Run for a new snapshot. It never blocks.
func (p *Publisher) Kick() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// Run publishes after every kick and every 30 s until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	t := time.NewTicker(refreshEvery)
	defer t.Stop()
	var failing logging.Condition
	for {
		if err := p.Refresh(ctx); err != nil && ctx.Err() == nil {
			failing.Fails(p.log, zap.WarnLevel, "policy snapshot not built, retrying", err)
			if !p.rest(ctx, time.After(time.Second)) {
				return nil
			}
			continue
		}
		failing.Over(p.log, "policy snapshot built again")
		if !p.rest(ctx, t.C) {
			return nil
		}
	}
}

// rest returns when a snapshot is due; false is the end of ctx.
func (p *Publisher) rest(ctx context.Context, due <-chan time.Time) bool {
	for {
		select {
		case <-p.pulse:
		case <-due:
			return true
		case <-p.kick:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// Alive asks the loop that publishes the policy. A store that is away is no
// reason to restart: between two tries the loop answers.
func (p *Publisher) Alive(ctx context.Context) error {
	if err := p.pulse.Check(ctx); err != nil {
		return fmt.Errorf("publisher of the policy: %w", err)
	}
	return nil
}

// Refresh makes a snapshot now and publishes it.
func (p *Publisher) Refresh(ctx context.Context) error {
	p.making.Lock()
	defer p.making.Unlock()
	next, err := p.make(ctx)
	if err != nil {
		return err
	}
	p.publish(next)
	if p.published == nil || p.told == next.Revision {
		return nil
	}
	if err := p.published(ctx, next); err != nil {
		return fmt.Errorf("record policy revision %d: %w", next.Revision, err)
	}
	p.told = next.Revision
	return nil
}

func (p *Publisher) publish(next *Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next.Revision == p.last.Revision && next.IssuedAt.Sub(p.last.IssuedAt) < reissueAfter {
		return
	}
	if revoked := next.revokedSince(p.last); len(revoked) > 0 && p.spread != nil {
		p.spread(next.Revision, revoked)
	}
	next.complain(p.log)
	p.last = next
	p.tell()
}

// Resend wakes all subscribers though the snapshot is the same: something that they
// send along with it has changed.
func (p *Publisher) Resend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell()
}

// tell needs p.mu.
func (p *Publisher) tell() {
	for c := range p.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (p *Publisher) make(ctx context.Context) (*Snapshot, error) {
	// The revision is read first: rows may be newer than it says, never older.
	revision, err := p.store.PolicyRevision(ctx)
	if err != nil {
		return nil, fmt.Errorf("policy revision: %w", err)
	}
	connectors, err := p.store.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	tunnelers, err := p.store.Tunnelers(ctx)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{
		Revision: revision, IssuedAt: p.now().UTC(),
		live:    make(map[identity.Workload]time.Time, len(connectors)+len(tunnelers)),
		revoked: map[identity.Workload]time.Time{},
	}
	for _, c := range connectors {
		id, ok, err := s.admit(c.Member, p.td)
		if err != nil {
			return nil, err
		}
		if ok {
			s.Connectors = append(s.Connectors, Connector{ID: c.ID, SPIFFEID: id, NetworkID: c.NetworkID, Addresses: c.Addresses, SVIDNotBefore: c.SVIDNotBefore()})
		}
	}
	for _, t := range tunnelers {
		id, ok, err := s.admit(t.Member, p.td)
		if err != nil {
			return nil, err
		}
		if ok {
			s.Tunnelers = append(s.Tunnelers, Tunneler{SPIFFEID: id, SVIDNotBefore: t.SVIDNotBefore()})
		}
	}
	s.fit()
	return s, nil
}

func (s *Snapshot) admit(m fleet.Member, td spiffeid.TrustDomain) (id spiffeid.ID, ok bool, err error) {
	if !m.Live() {
		s.revoked[m.Workload] = m.RevokedAt
		return id, false, nil
	}
	if id, err = m.SPIFFEID(td); err != nil {
		return id, false, err
	}
	s.live[m.Workload] = m.SVIDNotBefore()
	return id, true, nil
}
