package flows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a flows.Store of one run, which fails while it is told to.
type memory struct {
	flows.Store // what no test calls

	mu       sync.Mutex
	position uint64
	records  []flows.Record
	calls    [][]flows.Batch
	fail     error
	hang     chan struct{}
	pruned   int
	there    int // records to be pruned

	shares     []flows.Share
	mostAtOnce int // records that were removed in one transaction
}

func (m *memory) AppendFlows(ctx context.Context, all []flows.Batch, _ time.Time) (out []flows.Written, err error) {
	m.mu.Lock()
	fail, hang := m.fail, m.hang
	m.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if fail != nil {
		return nil, fail
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, all)
	for _, b := range all {
		w := flows.Written{New: b.Last > m.position, Lost: b.Lost}
		for _, r := range b.Records {
			if r.Number > m.position {
				w.Records = append(w.Records, r.Record)
			}
		}
		m.position = max(m.position, b.Last)
		w.Position = m.position
		m.records = append(m.records, w.Records...)
		out = append(out, w)
	}
	return out, nil
}

func (m *memory) FlowMinutes(_ context.Context, since time.Time) ([]flows.Minute, error) {
	return []flows.Minute{{At: since.Add(time.Minute), Sum: flows.Sum{Flows: 100}}, {At: since.Add(24*time.Hour - 2*time.Minute), Sum: flows.Sum{Flows: 3}}}, nil
}

func (m *memory) PruneFlows(_ context.Context, _ time.Time, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(limit, m.there)
	m.there -= n
	m.pruned += n
	return n, m.fail
}

func (m *memory) CountFlows(ctx context.Context) (n int64, err error) {
	all, err := m.FlowShares(ctx)
	for _, s := range all {
		n += s.Records
	}
	return n, err
}

func (m *memory) FlowShares(context.Context) ([]flows.Share, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.shares), m.fail
}

func (m *memory) RemoveFlows(_ context.Context, of []flows.Share) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range of {
		at := slices.IndexFunc(m.shares, func(o flows.Share) bool { return o.Connector == s.Connector && o.Tunneler == s.Tunneler })
		m.shares[at].Records -= s.Records
		n += int(s.Records)
	}
	m.mostAtOnce = max(m.mostAtOnce, n)
	return n, m.fail
}

func (m *memory) failing(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// acks are the positions that were told.
type acks struct {
	mu  sync.Mutex
	all []uint64
}

func (a *acks) done(position uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, position)
}

func (a *acks) told() []uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]uint64{}, a.all...)
}

func batch(first uint64, n int, change ...func(*flows.Record)) flows.Batch {
	b := flows.Batch{Connector: "c-1", Run: "run", First: first, Last: first + uint64(n) - 1}
	for i := range n {
		r := flows.Record{Ended: time.Now(), Opened: time.Now(), Connected: true, Code: "ok", Up: 1, Down: 2, Count: 1}
		for _, c := range change {
			c(&r)
		}
		b.Records = append(b.Records, flows.Numbered{Number: first + uint64(i), Record: r})
	}
	return b
}

// retained is the room for 10,000 records.
const retained = 10_000 * 512

// run runs a recorder in a bubble.
func run(t *testing.T, m *memory) (*flows.Recorder, func()) {
	t.Helper()
	r := flows.New(flows.Config{Store: m, Retention: flows.Retention{Age: time.Hour, Bytes: retained}, Now: time.Now, Log: zap.NewNop()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	synctest.Wait()
	return r, func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func bubble(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

func TestWhatIsNotOnTheDiskIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	bubble(t, "while the database fails, and then it is, in order", func(t *testing.T) {
		m, told := &memory{fail: errors.New("database is locked")}, &acks{}
		r, stop := run(t, m)
		defer stop()
		require.True(t, r.Take(batch(1, 2), told.done))
		require.True(t, r.Take(batch(3, 2), told.done))
		<-time.After(time.Minute)
		require.Empty(t, told.told())
		require.True(t, r.Counts().Failing)
		require.Equal(t, 4, r.Counts().Waiting)
		m.failing(nil)
		<-time.After(2 * time.Second)
		require.Equal(t, []uint64{2, 4}, told.told())
		require.Len(t, m.records, 4)
		require.Zero(t, r.Counts().Waiting)
		require.False(t, r.Counts().Failing)
	})
	bubble(t, "nor at the end of the program if the database hangs", func(t *testing.T) {
		m, told := &memory{hang: make(chan struct{})}, &acks{}
		r, stop := run(t, m)
		require.True(t, r.Take(batch(1, 1), told.done))
		began := time.Now()
		stop()
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
		require.Empty(t, told.told())
	})
	bubble(t, "and what was taken is written at the end", func(t *testing.T) {
		m, told := &memory{}, &acks{}
		r, stop := run(t, m)
		require.True(t, r.Take(batch(1, 1), told.done))
		synctest.Wait() // written at once; what follows gathers
		require.True(t, r.Take(batch(2, 1), told.done))
		stop()
		require.Equal(t, []uint64{1, 2}, told.told())
	})
}

func TestManyRecordsShareATransaction(t *testing.T) {
	t.Parallel()
	bubble(t, "and none has more than some", func(t *testing.T) {
		m, told := &memory{}, &acks{}
		r, stop := run(t, m)
		defer stop()
		for i := range 40 {
			require.True(t, r.Take(batch(uint64(100*i+1), 100), told.done))
		}
		<-time.After(time.Second)
		require.Len(t, m.records, 4000)
		require.LessOrEqual(t, len(m.calls), 6)
		for _, c := range m.calls {
			require.LessOrEqual(t, len(c), 10)
		}
	})
}

func TestThereIsAnEndToWhatWaits(t *testing.T) {
	t.Parallel()
	bubble(t, "of it", func(t *testing.T) {
		m, told := &memory{fail: errors.New("disk full")}, &acks{}
		r, stop := run(t, m)
		defer stop()
		taken := 0
		for i := range 1000 {
			if r.Take(batch(uint64(256*i+1), 256), told.done) {
				taken += 256
			}
		}
		require.Equal(t, taken, r.Counts().Waiting)
		require.LessOrEqual(t, taken, 20_000+256)
		require.Greater(t, taken, 15_000)
		other := batch(1, 256)
		other.Connector = "another"
		require.True(t, r.Take(other, told.done), "one connector leaves room for others")
		m.failing(nil)
		<-time.After(2 * time.Second)
		require.True(t, r.Take(batch(uint64(taken+1), 1), told.done))
	})
}

func TestTotals(t *testing.T) {
	t.Parallel()
	bubble(t, "are of an hour and a day, with what was there at the start", func(t *testing.T) {
		m, told := &memory{}, &acks{}
		r, stop := run(t, m)
		defer stop()
		require.Equal(t, flows.Sum{Flows: 103}, r.Totals().Day)
		require.Equal(t, flows.Sum{Flows: 3}, r.Totals().Hour)
		refused := batch(2, 1, func(r *flows.Record) {
			r.Connected, r.Code, r.Up, r.Down, r.Count = false, flows.Refused, 0, 0, 9
		})
		refused.Lost, refused.Last = 4, 3 // and one that was not believed
		r.Take(batch(1, 1), told.done)
		r.Take(refused, told.done)
		r.Take(batch(1, 1), told.done) // again
		<-time.After(time.Second)
		require.Equal(t, flows.Sum{Flows: 4, Refused: 9, Up: 1, Down: 2, Lost: 5}, r.Totals().Hour)
		require.Equal(t, flows.Counts{Recorded: 2, Again: 1, Unbelieved: 1, Lost: 4}, r.Counts())
		<-time.After(2 * time.Hour)
		require.Zero(t, r.Totals().Hour)
		<-time.After(24 * time.Hour)
		require.Zero(t, r.Totals().Day)
	})
	bubble(t, "forget the open flows of a stream that is over, and not those of its successor", func(t *testing.T) {
		r, stop := run(t, &memory{})
		defer stop()
		r.Open("c-1", 7, 5)
		r.Open("c-2", 8, 2)
		require.EqualValues(t, 7, r.Totals().Open)
		r.Open("c-1", 9, 3)
		r.Open("c-1", 7, 1000) // late
		r.Left("c-1", 7)
		require.EqualValues(t, 5, r.Totals().Open)
		r.Left("c-1", 9)
		require.EqualValues(t, 2, r.Totals().Open)
	})
}

// TestFlowsOfLongAgoTakeNoMemory: a connector chooses when the flows ended that it reports.
func TestFlowsOfLongAgoTakeNoMemory(t *testing.T) {
	t.Parallel()
	bubble(t, "beyond the minutes of a day", func(t *testing.T) {
		r, stop := run(t, &memory{})
		defer stop()
		const each = 1000
		minute := 0
		for i := range 5 {
			require.True(t, r.Take(batch(uint64(each*i+1), each, func(r *flows.Record) {
				minute++
				r.Ended = time.Now().Add(-time.Duration(minute) * time.Minute)
			}), func(uint64) {}))
			<-time.After(time.Second)
		}
		require.EqualValues(t, 5*each, r.Counts().Recorded)
		require.LessOrEqual(t, flows.MinutesOf(r), 26*60)
		require.Greater(t, flows.MinutesOf(r), 24*60, "and the last day is there")
	})
}

func TestRetentionRemovesABitAtATime(t *testing.T) {
	t.Parallel()
	bubble(t, "at the start, and then in between", func(t *testing.T) {
		m := &memory{there: 5000}
		r, stop := run(t, m)
		defer stop()
		require.Equal(t, 5000, m.pruned)
		require.EqualValues(t, 5000, r.Counts().Removed)
		m.mu.Lock()
		m.there = 10
		m.mu.Unlock()
		<-time.After(11 * time.Minute)
		require.EqualValues(t, 5010, r.Counts().Removed)
	})
}

// TestWhoeverHasMostLosesRecordsFirst: neither a connector nor a tunneler that floods displaces
// what there is of others.
func TestWhoeverHasMostLosesRecordsFirst(t *testing.T) {
	t.Parallel()
	bubble(t, "in small transactions", func(t *testing.T) {
		m := &memory{shares: []flows.Share{{"liar", "t-1", 90_000}, {"liar", "t-2", 5}, {"good", "flooder", 7000}, {"good", "t-1", 300}, {"good", "t-2", 40}, {"small", "t-1", 20}}}
		r, stop := run(t, m)
		defer stop()
		require.Equal(t, []flows.Share{{"liar", "t-1", 4735}, {"liar", "t-2", 5}, {"good", "flooder", 4400}, {"good", "t-1", 300}, {"good", "t-2", 40}, {"small", "t-1", 20}}, m.shares)
		require.EqualValues(t, 90_000+7000-4735-4400, r.Counts().Removed)
		require.LessOrEqual(t, m.mostAtOnce, 2000)
		m.mu.Lock()
		m.shares[0].Records += 500 // all together have room
		m.mu.Unlock()
		<-time.After(11 * time.Minute)
		require.EqualValues(t, 5235, m.shares[0].Records)
	})
}

// TestExcess compares it with removing one record after the other.
func TestExcess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.Int64Range(0, 30), 1, 12).Draw(t, "counts")
		keep := rapid.Int64Range(0, 200).Draw(t, "keep")
		var all []flows.Share
		for i, n := range counts {
			all = append(all, flows.Share{Connector: fmt.Sprint("c", i%3), Tunneler: fmt.Sprint("t", i), Records: n})
		}
		left := slices.Clone(all)
		for _, e := range flows.Excess(all, keep) {
			at := slices.IndexFunc(left, func(s flows.Share) bool { return s.Connector == e.Connector && s.Tunneler == e.Tunneler })
			require.Positive(t, e.Records)
			left[at].Records -= e.Records
			require.GreaterOrEqual(t, left[at].Records, int64(0))
		}
		sums := func(of []flows.Share) (total int64, by map[string]int64) {
			by = map[string]int64{}
			for _, s := range of {
				total += s.Records
				by[s.Connector] += s.Records
			}
			return total, by
		}
		total, before := sums(all)
		kept, after := sums(left)
		require.LessOrEqual(t, kept, keep, "no more than may stay")
		require.GreaterOrEqual(t, kept, min(total, keep)-3-12, "and not much less: divisions round")
		for a := range after {
			for b := range after {
				if after[a] < before[a] { // who lost some has as many as anybody else, or nearly
					require.GreaterOrEqual(t, after[a]+12, after[b])
				}
			}
		}
		for i, a := range left {
			for j, b := range left {
				if a.Connector == b.Connector && a.Records < all[i].Records {
					require.GreaterOrEqual(t, a.Records, b.Records, "%d lost some, and %d has more", i, j)
				}
			}
		}
	})
}
