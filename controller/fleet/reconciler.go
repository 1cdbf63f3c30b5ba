package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

const (
	// compareEvery is how soon a difference is found that no change in the store
	// explains: somebody worked on SPIRE.
	compareEvery = 10 * time.Minute
	// workers is how many members are worked on at a time: one call that hangs holds
	// up no other member, and SPIRE is not flooded.
	workers = 4
)

// looks are the pauses after which what was revoked is looked at again. An attestation
// that was in flight can undo a ban, and an enrollment that was in flight can write its
// entry after that was deleted.
var looks = [...]time.Duration{time.Second, time.Second, time.Second, time.Second, time.Second, 25 * time.Second}

// ReconcilerConfig configures NewReconciler.
type ReconcilerConfig struct {
	TrustDomain spiffeid.TrustDomain
	Changes     changelog.Log
	Store       Placements
	SPIRE       SPIRE
	SVIDTTL     map[identity.Kind]time.Duration
	// Own are entries that always exist: the controller's.
	Own []Entry
	Now func() time.Time
	Log *zap.Logger
	// Result is called with whether SPIRE matches the store, for readiness.
	Result func(error)
}

// Reconciler makes SPIRE's registration entries and bans equal to the store. It follows
// the change log and mends only the members and hosts that changed, so that an
// enrollment costs the same whatever the fleet; at its start and every 10 minutes it
// compares everything.
type Reconciler struct {
	cfg      ReconcilerConfig
	own      map[string]Entry
	follower *changelog.Follower
	queue    *workQueue[item]
	due      topic.Hint // everything is to be compared

	mu       sync.Mutex // of all below; cfg.Result is called under it, in order
	looks    map[item]int
	failing  map[item]error
	compared error // how the last comparison ended
	settled  bool  // what the first comparison found was mended
	differs  logging.Condition
}

// item is what a worker mends at once: a member, a host, or with kind ofEntry an entry
// by its ID.
type item struct {
	kind changelog.Kind
	id   string
}

const ofEntry changelog.Kind = "entry"

var errNotCompared = errors.New("not compared yet")

// NewReconciler returns a Reconciler.
func NewReconciler(cfg ReconcilerConfig) *Reconciler {
	r := &Reconciler{
		cfg: cfg, own: map[string]Entry{}, queue: newWorkQueue[item](), due: topic.NewHint(),
		looks: map[item]int{}, failing: map[item]error{}, compared: errNotCompared,
	}
	for _, e := range cfg.Own {
		r.own[e.ID] = e
	}
	r.follower = changelog.NewFollower(changelog.Config{
		Name: "reconciler", Log: cfg.Changes, Reader: reconcilerReader{r}, Now: cfg.Now, Logger: cfg.Log,
	})
	return r
}

// Run reconciles until ctx ends. It runs once.
func (r *Reconciler) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, r.queue.close)
	defer stop()
	g.Go(func() error { return r.follower.Run(ctx) })
	g.Go(func() error { return r.compareWhenDue(ctx) })
	for range workers {
		g.Go(func() error { return r.work(ctx) })
	}
	return g.Wait()
}

// Position is that of its follower in the change log: what is before it was queued.
func (r *Reconciler) Position() uint64 { return r.follower.Position() }

// reconcilerReader implements changelog.Reader.
type reconcilerReader struct{ *Reconciler }

// Sync has everything compared. It does not wait for that, for changes have to be mended
// meanwhile: a comparison that fails is repeated until it succeeds.
func (r reconcilerReader) Sync(context.Context) error {
	r.due.Wake()
	return nil
}

// Settled implements changelog.Reader.
func (reconcilerReader) Settled(context.Context) error { return nil }

// watch has an item looked at again from now on, after each of looks.
func (r *Reconciler) watch(it item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks[it] = len(looks)
}

// after says when the item is worked on again.
func (r *Reconciler) after(it item, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failing[it] = err
		r.queue.retry(it)
		return
	}
	delete(r.failing, it)
	r.queue.succeeded(it)
	left, watched := r.looks[it]
	switch {
	case left > 0:
		r.looks[it] = left - 1
		r.queue.addAfter(it, looks[len(looks)-left])
	case watched:
		delete(r.looks, it)
	}
}

// report sets readiness, and logs, whether SPIRE matches the store. At the start that
// is so when what the first comparison found is mended.
func (r *Reconciler) report() {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.compared
	for it, failed := range r.failing {
		err = fmt.Errorf("entries and bans that differ: %d, one is that of %s %s: %w", len(r.failing), it.kind, it.id, failed)
		break
	}
	r.settled = r.settled || r.compared == nil && r.queue.idle()
	switch {
	case err != nil && !errors.Is(err, errNotCompared):
		r.differs.Fails(r.cfg.Log, zap.WarnLevel, "spire differs from the store, retrying", err)
		r.cfg.Result(err)
	case err == nil && r.settled:
		r.differs.Over(r.cfg.Log, "spire matches the store again")
		r.cfg.Result(nil)
	}
}
