package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// How long a Recall waits.
const (
	// AfterFirst is for the other connectors, after the first one has answered. A
	// connector that was connected is back within seconds.
	AfterFirst = time.Minute
	// AtMost is for the first one: a fleet whose connectors are all gone must be able to
	// enroll others.
	AtMost = 5 * time.Minute
	// again is after the store failed.
	again = time.Second
)

// RecallStore knows whether the database was restored; store.Store is it.
type RecallStore interface {
	RestoredAt(ctx context.Context) (time.Time, error)
	EndRecall(ctx context.Context, e audit.Event) error
}

// RecallConfig configures NewRecall.
type RecallConfig struct {
	Store  RecallStore
	Policy *Publisher
	// Actor of the audit event.
	Actor string
	Now   func() time.Time
	Log   *zap.Logger
}

// Recall keeps a controller that was restored from admitting anybody until it has the
// revocations that its connectors hold: its database is of before some of them. It waits
// for all connectors that the policy names, for the others AfterFirst, and AtMost in all:
// a connector that is gone for ever must not keep everybody out. What a connector that
// comes later gives back is applied then.
type Recall struct {
	cfg  RecallConfig
	open chan struct{} // closed when members are admitted
	wake topic.Hint

	mu    sync.Mutex
	begun bool
	gave  map[string]bool // connectors, by id
}

// NewRecall returns a Recall that is closed.
func NewRecall(cfg RecallConfig) *Recall {
	return &Recall{cfg: cfg, open: make(chan struct{}), wake: topic.NewHint(), gave: map[string]bool{}}
}

// Begin opens it unless the database was restored. Call it after the first snapshot and
// before the first stream.
func (r *Recall) Begin(ctx context.Context) error {
	at, err := r.cfg.Store.RestoredAt(ctx)
	if err != nil {
		return fmt.Errorf("read whether the database was restored: %w", err)
	}
	if at.IsZero() {
		close(r.open)
		return nil
	}
	r.mu.Lock()
	r.begun = true
	r.mu.Unlock()
	r.cfg.Log.Warn("this controller was restored: nobody is admitted until its connectors have given back the revocations that they hold",
		zap.Time("restored_at", at), zap.Strings("connectors", few(r.waiting())))
	return nil
}

// Open is closed when members are admitted.
func (r *Recall) Open() <-chan struct{} { return r.open }

// Gave notes that a connector has given back all that it holds, which is committed.
func (r *Recall) Gave(connectorID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		r.gave[connectorID] = true
		r.wake.Wake()
	}
}

// Collecting is why nobody is admitted now; nil if members are.
func (r *Recall) Collecting() error {
	select {
	case <-r.open:
		return nil
	default:
	}
	return fmt.Errorf("restored from a backup: nobody is admitted or enrolled until the connectors have given back the revocations that they hold, "+
		"for a minute after the first one and five minutes in all; not answered yet: %s", strings.Join(few(r.waiting()), ", "))
}

// waiting lists the connectors that the policy names and that have not answered.
func (r *Recall) waiting() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.cfg.Policy.Current().Connectors.All() {
		if !r.gave[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func few(ids []string) []string {
	const named = 8
	if more := len(ids) - named; more > 0 {
		return append(slices.Clone(ids[:named]), fmt.Sprintf("and %d more", more))
	}
	return ids
}

// Run waits and opens it; it ends then, or with ctx.
func (r *Recall) Run(ctx context.Context) error {
	changed, unsubscribe := r.cfg.Policy.Subscribe()
	defer unsubscribe()
	late := time.NewTimer(AtMost)
	defer late.Stop()
	for first, left := true, r.waiting(); len(left) > 0; left = r.waiting() {
		select {
		case <-r.open:
			return nil
		case <-r.wake:
			if first {
				late.Reset(AfterFirst)
				first = false
			}
		case <-changed: // somebody was revoked
		case <-late.C:
			r.cfg.Log.Warn("not all connectors have given back the revocations that they hold: if one comes later, its own are applied then", zap.Strings("missing", few(left)))
			return r.end(ctx, left)
		case <-ctx.Done():
			return nil
		}
	}
	return r.end(ctx, nil)
}

// end admits again, with all that was committed before.
func (r *Recall) end(ctx context.Context, missing []string) error {
	select {
	case <-r.open:
		return nil
	default:
	}
	var failing logging.Condition
	for {
		err := r.cfg.Policy.Refresh(ctx)
		if err == nil {
			err = r.note(ctx, missing)
		}
		if err == nil {
			break
		}
		failing.Fails(r.cfg.Log, zap.WarnLevel, "members are not admitted yet after the restore, retrying", err)
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return nil
		}
	}
	r.cfg.Log.Info("revocations that connectors held are collected, members are admitted again")
	close(r.open)
	return nil
}

func (r *Recall) note(ctx context.Context, missing []string) error {
	r.mu.Lock()
	gave := len(r.gave)
	r.mu.Unlock()
	after, err := json.Marshal(map[string]any{"gave": gave, "missing": few(missing)})
	if err != nil {
		return err
	}
	return r.cfg.Store.EndRecall(ctx, audit.Event{
		Time: r.cfg.Now().UTC(), Actor: r.cfg.Actor, Action: audit.DenialsCollect, Target: r.cfg.Actor, Outcome: audit.Success, After: string(after),
	})
}
