package flows

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

const (
	// gather is how long records wait for others, so that they share a transaction.
	gather = 200 * time.Millisecond
	// atOnce is how many records one transaction writes; others write between them.
	atOnce = 1000
	// maxWaiting bounds the records that wait for the database, some 20 MB. What has no
	// room stays at its connector.
	maxWaiting = 40_000
	// maxWaitingOf is what one connector may have of it, before what it sends next.
	maxWaitingOf = maxWaiting / 2

	pruneEvery = 10 * time.Minute
	pruneBatch = 2000
	// bytesOfRecord is what a record takes in the database, with its indexes.
	bytesOfRecord = 512
)

// Retention is how long records stay; zero values do not limit.
type Retention struct {
	Age   time.Duration
	Bytes int64
}

// records is how many may stay.
func (r Retention) records() int64 { return r.Bytes / bytesOfRecord }

// Config configures a Recorder.
type Config struct {
	Store     Store
	Retention Retention
	Now       func() time.Time
	Log       *zap.Logger
}

// Recorder writes records, and knows the sums of a day.
type Recorder struct {
	cfg   Config
	ready topic.Hint

	mu      sync.Mutex
	queue   []taken
	waiting int            // records in queue, and in the transaction that runs
	waits   map[string]int // those of each connector
	minutes map[int64]Sum
	open    map[string]opened // by connector
	counts  Counts

	writing, pruning logging.Condition
}

// taken is a batch, and what acknowledges it.
type taken struct {
	Batch
	done func(position uint64)
}

// opened is what a stream of a connector said of its open flows.
type opened struct {
	stream uint64
	flows  uint32
}

// Counts are since the start of the program.
type Counts struct {
	Recorded, Again, Unbelieved, Lost, Removed uint64
	Waiting                                    int
	Failing                                    bool
}

// New makes a Recorder.
func New(c Config) *Recorder {
	return &Recorder{cfg: c, ready: topic.NewHint(), minutes: map[int64]Sum{}, waits: map[string]int{}, open: map[string]opened{}}
}

// Take has a batch written soon, and done called then, which must not block. It says no when
// too much is waiting: the connector keeps it, and so it has to keep what follows.
func (r *Recorder) Take(b Batch, done func(position uint64)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting > 0 && r.waiting+len(b.Records) > maxWaiting || r.waits[b.Connector] > maxWaitingOf {
		return false
	}
	r.waits[b.Connector] += len(b.Records)
	r.waiting += len(b.Records)
	r.queue = append(r.queue, taken{b, done})
	r.ready.Wake()
	return true
}

// Open notes how many flows a connector has open.
func (r *Recorder) Open(connector string, stream uint64, flows uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[connector].stream <= stream {
		r.open[connector] = opened{stream, flows}
	}
}

// Left forgets them with the stream that said so.
func (r *Recorder) Left(connector string, stream uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[connector].stream == stream {
		delete(r.open, connector)
	}
}

// Archive is the records for people who read them.
type Archive struct {
	Store
	*Recorder
}

// Counts may be called at any time.
func (r *Recorder) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counts
	c.Waiting = r.waiting
	return c
}

// Totals are sums of the last time, and what connectors said last.
type Totals struct {
	Open      int64
	Hour, Day Sum
}

// Totals costs a look at the minutes of a day.
func (r *Recorder) Totals() (t Totals) {
	now := minuteOf(r.cfg.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.open {
		t.Open += int64(o.flows)
	}
	for at, s := range r.minutes {
		if at > now-24*60 {
			t.Day.Add(s)
		}
		if at > now-60 {
			t.Hour.Add(s)
		}
	}
	return t
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// Run writes what is taken until ctx ends, and then the rest of it.
func (r *Recorder) Run(ctx context.Context) error {
	r.begin(ctx)
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	r.prune(ctx)
	for {
		select {
		case <-ctx.Done():
			r.last(context.WithoutCancel(ctx))
			return nil
		case <-prune.C:
			r.prune(ctx)
		case <-r.ready:
			if !r.write(ctx) {
				r.pause(ctx, time.Second)
				r.ready.Wake()
				continue
			}
			r.pause(ctx, gather)
		}
	}
}

// last writes what is left; a database that hangs does not hold up the end, and what was
// not acknowledged comes again.
func (r *Recorder) last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r.write(ctx)
}

// begin reads the sums of the last day.
func (r *Recorder) begin(ctx context.Context) {
	minutes, err := r.cfg.Store.FlowMinutes(ctx, r.cfg.Now().Add(-24*time.Hour))
	if err != nil {
		if ctx.Err() == nil {
			r.cfg.Log.Warn("sums of flows not read: they count from now on", zap.Error(err))
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range minutes {
		r.count(m.At, m.Sum)
	}
}

// count needs the lock.
func (r *Recorder) count(at time.Time, s Sum) {
	m := r.minutes[minuteOf(at)]
	m.Add(s)
	r.minutes[minuteOf(at)] = m
}

func (r *Recorder) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// write writes all that waits, in transactions of atOnce records or a bit more, and says
// whether it could.
func (r *Recorder) write(ctx context.Context) bool {
	for {
		some := r.some()
		if len(some) == 0 {
			return true
		}
		batches := make([]Batch, 0, len(some))
		for _, t := range some {
			batches = append(batches, t.Batch)
		}
		now := r.cfg.Now()
		written, err := r.cfg.Store.AppendFlows(ctx, batches, now)
		r.mu.Lock()
		r.counts.Failing = err != nil
		r.mu.Unlock()
		if err != nil {
			if ctx.Err() == nil {
				r.writing.Fails(r.cfg.Log, zap.WarnLevel, "flow records not written, retrying", err)
			}
			return false
		}
		r.writing.Over(r.cfg.Log, "")
		r.wrote(some, written, now)
		for i, t := range some {
			t.done(written[i].Position)
		}
	}
}

// some is the begin of the queue, which stays there until it is written.
func (r *Recorder) some() []taken {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, records := 0, 0
	for n < len(r.queue) && records < atOnce {
		records += len(r.queue[n].Records)
		n++
	}
	return r.queue[:n:n]
}

// wrote takes what was written out of the queue, and counts it.
func (r *Recorder) wrote(some []taken, written []Written, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = r.queue[len(some):]
	if len(r.queue) == 0 {
		r.queue = nil
	}
	for i, t := range some {
		w := written[i]
		r.waiting -= len(t.Records)
		if r.waits[t.Connector] -= len(t.Records); r.waits[t.Connector] == 0 {
			delete(r.waits, t.Connector)
		}
		r.counts.Recorded += uint64(len(w.Records))
		r.counts.Again += uint64(len(t.Records) - len(w.Records)) //nolint:gosec // never negative
		r.counts.Lost += w.Lost
		for _, rec := range w.Records {
			r.count(rec.Ended, sumOf(rec))
		}
		if w.New { // otherwise it was counted when it came first
			r.counts.Unbelieved += t.unbelieved()
			r.count(now, Sum{Lost: int64(w.Lost + t.unbelieved())}) //nolint:gosec // the transport has refused more
		}
	}
	old := minuteOf(now) - 25*60
	for at := range r.minutes {
		if at < old {
			delete(r.minutes, at)
		}
	}
}

// prune removes what retention does not keep, a bit at a time.
func (r *Recorder) prune(ctx context.Context) {
	err := r.pruneOld(ctx)
	if err == nil {
		err = r.pruneExcess(ctx)
	}
	switch {
	case err == nil:
		r.pruning.Over(r.cfg.Log, "")
	case ctx.Err() == nil:
		r.pruning.Fails(r.cfg.Log, zap.WarnLevel, "flow records not pruned, retrying", err)
	}
}

// pruneOld removes what is too old.
func (r *Recorder) pruneOld(ctx context.Context) error {
	before := time.Time{}
	if r.cfg.Retention.Age > 0 {
		before = r.cfg.Now().Add(-r.cfg.Retention.Age)
	}
	for {
		n, err := r.cfg.Store.PruneFlows(ctx, before, pruneBatch)
		r.removed(n)
		if err != nil || n < pruneBatch {
			return err
		}
	}
}

// pruneExcess removes what is too much: a twentieth more than that, because to find it takes a
// look at all records.
func (r *Recorder) pruneExcess(ctx context.Context) error {
	keep := r.cfg.Retention.records()
	if keep <= 0 {
		return nil
	}
	if there, err := r.cfg.Store.CountFlows(ctx); err != nil || there <= keep {
		return err
	}
	shares, err := r.cfg.Store.FlowShares(ctx)
	if err != nil {
		return err
	}
	for _, some := range portions(Excess(shares, keep-keep/20), pruneBatch) {
		n, err := r.cfg.Store.RemoveFlows(ctx, some)
		r.removed(n)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Recorder) removed(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Removed += uint64(n) //nolint:gosec // never negative
}
