package policy

import (
	"context"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Store is what a snapshot is made from.
type Store interface {
	changelog.Log
	PolicyRevision(ctx context.Context) (uint64, error)
	Connectors(ctx context.Context) ([]fleet.Connector, error)
	Tunnelers(ctx context.Context) ([]fleet.Tunneler, error)
	// ConnectorsByID and TunnelersByID list those of these ids that are there, revoked
	// ones too.
	ConnectorsByID(ctx context.Context, ids []string) ([]fleet.Connector, error)
	TunnelersByID(ctx context.Context, ids []string) ([]fleet.Tunneler, error)
	Networks(ctx context.Context) ([]fleet.Network, error)
	Resources(ctx context.Context) ([]Resource, error)
	Grants(ctx context.Context) ([]Grant, error)
	// ResourcesByID and GrantsByID list those of these ids that are there.
	ResourcesByID(ctx context.Context, ids []string) ([]Resource, error)
	GrantsByID(ctx context.Context, ids []string) ([]Grant, error)
	// Denials lists those with a Seq after this one and a time after since, by Seq.
	Denials(ctx context.Context, after uint64, since time.Time) ([]fleet.Denial, error)
}

const (
	// compareEvery is how often the fleet in memory is compared with the whole store.
	compareEvery = 10 * time.Minute
	// reissueAfter keeps the issue time of an unchanged policy recent: connectors
	// stop trusting a snapshot by its age. Until then nothing is sent again.
	reissueAfter = 10 * time.Minute
)

// Publisher makes snapshots and notifies its subscribers of them. It follows the change
// log of the store and reads only those members that changed.
type Publisher struct {
	log      *zap.Logger
	now      func() time.Time
	follower *changelog.Follower

	reader *reader // only the follower's steps touch it, one at a time

	news topic.Topic[*Snapshot]
}

// NewPublisher returns a Publisher whose first snapshot names nobody.
func NewPublisher(td spiffeid.TrustDomain, store Store, log *zap.Logger, now func() time.Time) *Publisher {
	p := &Publisher{log: log, now: now}
	p.reader = newReader(td, store, now, p.settled)
	p.follower = changelog.NewFollower(changelog.Config{
		Name: "publisher of the policy", Log: store, Reader: p.reader, SyncEvery: compareEvery, Now: now, Logger: log,
	})
	p.news.Set(&Snapshot{})
	return p
}

// Current is the newest snapshot. It must not be changed.
func (p *Publisher) Current() *Snapshot { return p.news.Get() }

// Subscribe returns a channel that gets a value after each publication, and a
// function that ends it.
func (p *Publisher) Subscribe() (<-chan struct{}, func()) { return p.news.Subscribe() }

// Notify is Subscribe with a Hint of the caller's.
func (p *Publisher) Notify(h topic.Hint) (stop func()) { return p.news.Notify(h) }

// Run publishes what changes until ctx ends.
func (p *Publisher) Run(ctx context.Context) error { return p.follower.Run(ctx) }

// Alive asks the loop that publishes the policy. A store that is away is no
// reason to restart: between two tries the loop answers.
func (p *Publisher) Alive(ctx context.Context) error { return p.follower.Alive(ctx) }

// Position is that of its follower in the change log.
func (p *Publisher) Position() uint64 { return p.follower.Position() }

// Refresh publishes what was committed before the call.
func (p *Publisher) Refresh(ctx context.Context) error { return p.follower.CatchUp(ctx) }

// settled publishes what the reader has, if it is news.
func (p *Publisher) settled() {
	now, last := p.now().UTC(), p.news.Get()
	// A clock that was set back leaves an issue time in the future, which nothing would
	// follow until then.
	age := now.Sub(last.IssuedAt)
	if p.reader.revision > last.Revision || age >= reissueAfter || age < 0 {
		p.news.Set(p.reader.snapshot(now, last))
	}
}
