package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// Witness is what a connector said last about the log.
type Witness struct {
	Connector string
	Size      int64
	At        time.Time
	Failure   string // why it refused the newest checkpoint; empty if it did not
}

// WitnessStore is what Witnesses work on.
type WitnessStore interface {
	Hashes
	Store
	// PutWitnesses inserts or replaces by connector, in one transaction.
	PutWitnesses(ctx context.Context, all []Witness) error
	Witnesses(ctx context.Context) ([]Witness, error)
}

// Witnesses makes the offers that connectors judge, and notes their judgement. It
// is for people to see: nothing here believes it, and a connector that refuses
// acts by itself.
type Witnesses struct {
	store  WitnessStore
	head   func() SignedCheckpoint
	verify string
	trail  *Log
	log    *zap.Logger
	now    func() time.Time
	turns  *Turns

	mu     sync.Mutex
	proofs map[int64][][]byte // to the head of size proofsTo, by the size they begin at
	to     int64
	known  map[string]Witness
	dirty  map[string]Witness // known and not stored
}

// NewWitnesses returns Witnesses that offer the head.
func NewWitnesses(store WitnessStore, seq *Sequencer, trail *Log) *Witnesses {
	return &Witnesses{
		store: store, head: seq.Head, verify: seq.cfg.Signer.VerifierKey, trail: trail, log: seq.cfg.Log, now: seq.cfg.Now, turns: NewTurns(seq, seq.cfg.Now),
		proofs: map[int64][][]byte{}, known: map[string]Witness{}, dirty: map[string]Witness{},
	}
}

// Size is how many records the newest checkpoint covers.
func (w *Witnesses) Size() int64 { return w.head().Size }

// Offer is the newest checkpoint with a proof from the size that a connector
// witnessed last. Where no proof can be made, because our log is shorter or retention has
// removed what it takes, the offer has none, and the connector will say so.
func (w *Witnesses) Offer(ctx context.Context, from int64) (witness.Offer, error) {
	head := w.head()
	o := witness.Offer{VerifierKey: w.verify, Note: []byte(head.Note)}
	if from <= 0 || from >= head.Size {
		return o, nil
	}
	o.From = from
	proof, err := w.prove(ctx, head.Size, from)
	if errors.Is(err, ErrNoHash) {
		w.log.Warn("no proof for a connector that has been away for longer than the retention of the audit log: see docs/audit.md",
			zap.Int64("witnessed", from))
		return o, nil
	}
	o.Proof = proof
	return o, err
}

// maxProofs bounds the proofs that are kept: connectors are at few different sizes.
const maxProofs = 1024

func (w *Witnesses) prove(ctx context.Context, to, from int64) ([][]byte, error) {
	w.mu.Lock()
	if w.to != to || len(w.proofs) >= maxProofs {
		w.to, w.proofs = to, map[int64][][]byte{}
	}
	known, ok := w.proofs[from]
	w.mu.Unlock()
	if ok {
		return known, nil
	}
	proof, err := tlog.ProveTree(to, from, reader{ctx: ctx, store: w.store})
	if err != nil {
		return nil, fmt.Errorf("prove audit log from %d to %d: %w", from, to, err)
	}
	out := make([][]byte, len(proof))
	for i, h := range proof {
		out[i] = append([]byte(nil), h[:]...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to == to {
		w.proofs[from] = out
	}
	return out, nil
}

// Witnessed notes what a connector answered, or said in its hello.
func (w *Witnesses) Witnessed(ctx context.Context, connector string, size int64, failure string) error {
	now := Witness{Connector: connector, Size: size, At: w.now().UTC(), Failure: failure}
	w.mu.Lock()
	was, known := w.known[connector]
	w.known[connector] = now
	same := known && was.Size == size && was.Failure == failure
	if !same {
		w.dirty[connector] = now
	}
	w.mu.Unlock()
	if same {
		return nil
	}
	if failure != "" && failure != was.Failure {
		w.log.Error("a connector does not accept the audit log: restore the right database, or see docs/audit.md",
			zap.String("connector_id", connector), zap.Int64("witnessed", size), zap.String("reason", failure))
	}
	if known && size < was.Size {
		return w.trail.Record(ctx, w.store, Event{
			Actor: "connector/" + connector, Action: WitnessReset, Target: "audit", Outcome: Success,
			Reason: fmt.Sprintf("it had witnessed %d records, now %d", was.Size, size),
		})
	}
	return nil
}

// storeEvery is how often answers are stored: one commit for all of a second.
const storeEvery = time.Second

// Join is that of Turns.
func (w *Witnesses) Join() (turn <-chan struct{}, leave func()) { return w.turns.Join() }

// Run gives the connectors their turns, and stores what they answered each second and
// once more when ctx ends. What a SIGKILL loses, each connector answers again to the
// first checkpoint of its next stream.
func (w *Witnesses) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.turns.Run(ctx) })
	g.Go(func() error { return w.storeAnswers(ctx) })
	return g.Wait()
}

func (w *Witnesses) storeAnswers(ctx context.Context) error {
	t := time.NewTicker(storeEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			w.flush(ctx)
		case <-ctx.Done():
			return w.last(context.WithoutCancel(ctx))
		}
	}
}

// last stores what is left; a database that hangs does not hold up the end.
func (w *Witnesses) last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	w.flush(ctx)
	return nil
}

// flush keeps for the next time what the store does not take.
func (w *Witnesses) flush(ctx context.Context) {
	w.mu.Lock()
	batch := slices.Collect(maps.Values(w.dirty))
	clear(w.dirty)
	w.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	err := w.store.PutWitnesses(ctx, batch)
	if err == nil {
		return
	}
	w.log.Warn("answers of witnesses not stored, retrying", zap.Int("connectors", len(batch)), zap.Error(err))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, it := range batch {
		if _, newer := w.dirty[it.Connector]; !newer {
			w.dirty[it.Connector] = it
		}
	}
}

// List lists the witnesses by connector.
func (w *Witnesses) List(ctx context.Context) ([]Witness, error) { return w.store.Witnesses(ctx) }
