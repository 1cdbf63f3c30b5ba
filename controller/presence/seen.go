package presence

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Seen is a last-seen time to be stored.
type Seen struct {
	Workload identity.Workload
	At       time.Time
	// Version and Connector are what is known of a tunneler; empty for a connector,
	// which says its version in its hello.
	Version   string
	Connector string
	// First says that the member was not stored since the program started: it may never
	// have been here before.
	First bool
}

// Store keeps last-seen times.
type Store interface {
	// SaveSeen writes last-seen times in one transaction.
	SaveSeen(ctx context.Context, seen []Seen) error
}

const (
	// FlushEvery is how much of the last-seen times a SIGKILL can lose.
	FlushEvery = time.Minute
	// flushAtOnce is how many members one transaction writes: whoever else writes waits
	// for one, never for the whole fleet.
	flushAtOnce = 500
	// lastFlush is how long the one at the end may take.
	lastFlush = 5 * time.Second
)

// Run stores last-seen times until ctx ends, and once more then.
func (r *Roster) Run(ctx context.Context, s Store, log *zap.Logger) error {
	t := time.NewTicker(FlushEvery)
	defer t.Stop()
	var failing logging.Condition
	for {
		select {
		case <-t.C:
			if err := r.flush(ctx, s); err == nil {
				failing.Over(log, "last-seen times are stored again")
			} else if ctx.Err() == nil {
				failing.Fails(log, zap.WarnLevel, "last-seen times not stored, retrying in a minute", err)
			}
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			err := r.flush(ctx, s)
			cancel()
			if err != nil {
				failing.Fails(log, zap.WarnLevel, "last-seen times not stored: those of the last minute are lost", err)
			}
			return nil
		}
	}
}

// flush stores the members with a heartbeat since the last one. What fails is stored by the next.
func (r *Roster) flush(ctx context.Context, s Store) (err error) {
	batch := r.takeSeen()
	for some := range slices.Chunk(batch, flushAtOnce) {
		if err == nil {
			err = s.SaveSeen(ctx, some)
		}
		r.flushed(some, err)
	}
	return err
}

// takeSeen returns the last-seen times of all that had a heartbeat, in the order of the
// table that they go to: neighbours are on one page.
func (r *Roster) takeSeen() []Seen {
	r.mu.Lock()
	batch := make([]Seen, 0, len(r.unsaved))
	for w := range r.unsaved {
		if one, ok := r.seen(w); ok {
			batch = append(batch, one)
		}
	}
	clear(r.unsaved)
	r.mu.Unlock()
	slices.SortFunc(batch, func(a, b Seen) int {
		return cmp.Or(cmp.Compare(a.Workload.Kind, b.Workload.Kind), cmp.Compare(a.Workload.ID, b.Workload.ID))
	})
	return batch
}

// seen needs r.mu.
func (r *Roster) seen(w identity.Workload) (Seen, bool) {
	if w.Kind == identity.KindConnector {
		a := r.connectors[w.ID]
		if a == nil {
			return Seen{}, false
		}
		return Seen{Workload: w, At: a.LastSeen.UTC()}, true
	}
	s := r.settled(w.ID)
	if s == nil {
		return Seen{}, false
	}
	return Seen{Workload: w, At: s.lastSeen.UTC(), Version: s.version, Connector: s.current, First: !s.stored}, true
}

// flushed notes what became of some of a batch.
func (r *Roster) flushed(some []Seen, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range some {
		if err != nil {
			r.unsaved[one.Workload] = struct{}{}
		} else if one.First { // the others are stored, and to look each up costs as much as to collect it
			if s := r.tunnelers[one.Workload.ID]; s != nil && one.Workload.Kind == identity.KindTunneler {
				s.stored = true
			}
		}
	}
}
