package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Store is what an Exporter reads, and where it keeps its positions.
type Store interface {
	AuditRows(ctx context.Context, from int64, limit int) ([]audit.Row, error)
	RenewalsBetween(ctx context.Context, first, last int64, limit int) ([]audit.Renewal, error)
	SinkPosition(ctx context.Context, name string) (int64, error)
	SetSinkPosition(ctx context.Context, name string, position int64) error
}

// Head notifies when there is more to deliver; audit.Sequencer is it.
type Head interface {
	Subscribe() (<-chan struct{}, func())
}

// Sink takes lines. Deliver returns nil once they are where they belong; it ends
// with ctx. It is called by one goroutine; Close is called by the same one.
type Sink interface {
	Deliver(ctx context.Context, b Batch) error
	Close() error
}

// Stream is what a batch is of. Each one has a position of its own.
type Stream string

// Streams.
const (
	Events   Stream = "events"
	Renewals Stream = "renewals" // of SVIDs
)

// Batch is some records of one stream in order.
type Batch struct {
	Stream  Stream
	First   int64 // index of the first event, or seq of the first renewal
	Records []Record
}

// Record is an event or a renewal, and its line.
type Record struct {
	At      int64 // index or seq
	Time    time.Time
	Refused bool   // the event is a refusal
	Line    []byte // JSON, without the newline
}

// Line is the JSON of an exported event, the same in all sinks and in the admin API.
type Line struct {
	Index     int64           `json:"index"`
	Time      time.Time       `json:"time"`
	Actor     string          `json:"actor"`
	Action    string          `json:"action"`
	Target    string          `json:"target"`
	Outcome   string          `json:"outcome"`
	Level     string          `json:"level"`
	Reason    string          `json:"reason,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Source    string          `json:"source,omitempty"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	LeafHash  []byte          `json:"leaf_hash"` // base64
}

// Encode makes the line of a row. A state that is not JSON, which only somebody
// who changed the row can have made, becomes a JSON string.
func Encode(r audit.Row) ([]byte, error) {
	h, err := r.LeafHash(r.LeafVersion)
	if err != nil {
		return nil, err
	}
	return json.Marshal(Line{
		Index: r.Index, Time: r.Time, Actor: r.Actor, Action: string(r.Action), Target: r.Target, Outcome: string(r.Outcome), Level: r.Level().String(),
		Reason: r.Reason, RequestID: r.RequestID, Source: r.Source, Before: state(r.Before), After: state(r.After), LeafHash: h[:],
	})
}

// RenewalLine is the JSON of an exported renewal, the same in all sinks and in the admin API.
type RenewalLine struct {
	Seq       int64     `json:"seq"`
	Time      time.Time `json:"time"`
	Action    string    `json:"action"` // RenewalAction; no event of the log has it
	Member    string    `json:"member"`
	Serial    string    `json:"serial"`
	Authority string    `json:"authority"`
	NotAfter  time.Time `json:"not_after"`
}

// RenewalAction distinguishes the lines of renewals from those of events.
const RenewalAction = "svid.renewal"

// EncodeRenewal makes the line of a renewal.
func EncodeRenewal(r audit.Renewal) ([]byte, error) {
	return json.Marshal(RenewalLine{
		Seq: r.Seq, Time: r.Time, Action: RenewalAction, Member: r.Member, Serial: r.Serial, Authority: r.Authority, NotAfter: r.NotAfter,
	})
}

func state(s string) json.RawMessage {
	if s == "" || json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	raw, _ := json.Marshal(s) // a string always marshals
	return raw
}

// Config configures an Exporter.
type Config struct {
	Store Store
	Head  Head
	Sinks map[string]Sink // by the name of their position
	Log   *zap.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// State is how one sink is.
type State struct {
	Sink string
	// WaitingSince is since when events wait that were not delivered, zero while none does.
	WaitingSince time.Time
	// Err is why the last attempt failed; nil while the first one lasts.
	Err error
}

// Exporter delivers to all sinks.
type Exporter struct {
	cfg Config

	mu     sync.Mutex
	states map[string]State
}

// New returns an Exporter.
func New(cfg Config) *Exporter {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Exporter{cfg: cfg, states: map[string]State{}}
}

// States are how the sinks are, by name.
func (e *Exporter) States() (out []State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Sinks)) {
		s := e.states[name]
		s.Sink = name
		out = append(out, s)
	}
	return out
}

// stuckAfter is how long events may wait before that is a fault: a receiver that
// restarts is none.
const stuckAfter = time.Minute

// Stuck names the sinks that events have waited for too long, nil if there is none.
func (e *Exporter) Stuck() error {
	var errs []error
	now := e.cfg.Now()
	for _, s := range e.States() {
		if s.WaitingSince.IsZero() || now.Sub(s.WaitingSince) < stuckAfter {
			continue
		}
		why := s.Err
		if why == nil {
			why = errors.New("it does not answer")
		}
		errs = append(errs, fmt.Errorf("nothing was delivered to %s since %s: %w", s.Sink, s.WaitingSince.UTC().Format(time.RFC3339), why))
	}
	return errors.Join(errs...)
}

// note keeps what happened to a sink.
func (e *Exporter) note(sink string, change func(*State)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.states[sink]
	change(&s)
	e.states[sink] = s
}

const (
	batchSize = 200
	// poll repairs a missed notice, of another controller's batches for instance.
	poll = 5 * time.Second
)

// Run delivers until ctx ends.
func (e *Exporter) Run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for name, sink := range e.cfg.Sinks {
		g.Go(func() error {
			r := &runner{exporter: e, cfg: e.cfg, name: name, sink: sink, positions: map[Stream]int64{}, log: e.cfg.Log.With(zap.String("sink", name))}
			return errors.Join(r.run(gctx), sink.Close())
		})
	}
	return g.Wait()
}

// runner is one sink.
type runner struct {
	exporter  *Exporter
	cfg       Config
	name      string
	sink      Sink
	positions map[Stream]int64 // that were read
	failing   logging.Reminder
	log       *zap.Logger
}

// run delivers what there is, waits for more, and backs off after a fault: 250 ms
// to 1 min, without end, because the events wait in the database.
func (r *runner) run(ctx context.Context) error {
	more, forget := r.cfg.Head.Subscribe()
	defer forget()
	retry := &backoff.ExponentialBackOff{InitialInterval: 250 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: time.Minute}
	retry.Reset()
	for {
		delivered, err := r.batch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.report(err)
		wait := poll
		switch {
		case err != nil:
			wait = retry.NextBackOff()
			var later *retryAfterError
			if errors.As(err, &later) {
				wait = max(wait, later.after)
			}
		case delivered:
			retry.Reset()
			continue
		default:
			retry.Reset()
		}
		timer := time.NewTimer(wait)
		notice := more
		if err != nil {
			notice = nil // new events do not shorten the wait
		}
		select {
		case <-notice:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (r *runner) report(err error) {
	r.exporter.note(r.name, func(s *State) {
		if s.Err = err; err == nil {
			s.WaitingSince = time.Time{}
		} else if s.WaitingSince.IsZero() {
			s.WaitingSince = r.cfg.Now()
		}
	})
	if err == nil {
		if r.failing.Over() {
			r.log.Info("audit export works again", zap.Any("positions", r.positions))
		}
		return
	}
	if due, attempts := r.failing.Due(r.cfg.Now()); due {
		r.log.Warn("audit export failed, retrying", zap.Any("positions", r.positions), zap.Int("attempts", attempts), zap.Error(err))
	}
}

// batch delivers one batch of each stream. A position moves after the delivery: killed in
// between, the same records are delivered again, with the same index or seq.
func (r *runner) batch(ctx context.Context) (delivered bool, err error) {
	for _, of := range []struct {
		stream Stream
		read   func(ctx context.Context, from int64) (Batch, error)
	}{{Events, r.events}, {Renewals, r.renewals}} {
		some, err := r.deliver(ctx, of.stream, of.read)
		if err != nil {
			return false, err
		}
		delivered = delivered || some
	}
	return delivered, nil
}

// positionName is the name of a stream's position in the database.
func (r *runner) positionName(s Stream) string {
	if s == Events {
		return r.name
	}
	return r.name + "/" + string(s)
}

func (r *runner) deliver(ctx context.Context, s Stream, read func(ctx context.Context, from int64) (Batch, error)) (delivered bool, err error) {
	position, known := r.positions[s]
	if !known {
		if position, err = r.cfg.Store.SinkPosition(ctx, r.positionName(s)); err != nil {
			return false, err
		}
		r.positions[s] = position
	}
	b, err := read(ctx, position)
	if err != nil || len(b.Records) == 0 {
		return false, err
	}
	r.exporter.note(r.name, func(s *State) {
		if s.WaitingSince.IsZero() {
			s.WaitingSince = r.cfg.Now()
		}
	})
	if b.First = b.Records[0].At; position > 0 && b.First > position {
		r.log.Error("retention removed audit records before they were exported", zap.String("stream", string(s)), zap.Int64("from", position), zap.Int64("to", b.First-1))
	}
	if err := r.sink.Deliver(ctx, b); err != nil {
		return false, err
	}
	next := b.Records[len(b.Records)-1].At + 1
	if err := r.cfg.Store.SetSinkPosition(ctx, r.positionName(s), next); err != nil {
		return false, err
	}
	r.positions[s] = next
	return true, nil
}

func (r *runner) events(ctx context.Context, from int64) (Batch, error) {
	b := Batch{Stream: Events}
	rows, err := r.cfg.Store.AuditRows(ctx, from, batchSize)
	for _, row := range rows {
		line, err := Encode(row)
		if err != nil {
			return b, fmt.Errorf("event %d: %w", row.Index, err)
		}
		b.Records = append(b.Records, Record{At: row.Index, Time: row.Time, Refused: row.Outcome != audit.Success, Line: line})
	}
	return b, err
}

func (r *runner) renewals(ctx context.Context, from int64) (Batch, error) {
	b := Batch{Stream: Renewals}
	all, err := r.cfg.Store.RenewalsBetween(ctx, from, math.MaxInt64, batchSize)
	for _, it := range all {
		line, err := EncodeRenewal(it)
		if err != nil {
			return b, fmt.Errorf("renewal %d: %w", it.Seq, err)
		}
		b.Records = append(b.Records, Record{At: it.Seq, Time: it.Time, Line: line})
	}
	return b, err
}

// lines joins a batch, one line each.
func (b Batch) lines() []byte {
	var out []byte
	for _, r := range b.Records {
		out = append(append(out, r.Line...), '\n')
	}
	return out
}

// retryAfterError is a fault whose end the other side named.
type retryAfterError struct {
	after time.Duration
	err   error
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }
