package changelog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reader has the ids of what changed, as a part that follows has its state, and notes
// what it was asked.
type reader struct {
	mu    sync.Mutex
	truth func() []string // everything there is
	known map[string]bool
	calls []string
	fail  error // of the next call; it is over then

	reading func() // while Apply reads
}

func (r *reader) call(format string, args ...any) error {
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	err := r.fail
	r.fail = nil
	return err
}

func (r *reader) Sync(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.call("sync"); err != nil {
		return err
	}
	r.known = map[string]bool{}
	for _, id := range r.truth() {
		r.known[id] = true
	}
	return nil
}

func (r *reader) Apply(_ context.Context, changes []changelog.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range changes {
		r.known[c.ID] = true // also when the rest of the page fails
	}
	if r.reading != nil {
		r.reading()
	}
	return r.call("apply %d-%d", changes[0].Seq, changes[len(changes)-1].Seq)
}

func (r *reader) Settled(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.call("settled")
}

// heard returns what it was asked since the last time.
func (r *reader) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

type world struct {
	log      *changelogtest.Log
	reader   *reader
	now      time.Time
	follower *changelog.Follower
	ids      []string
}

func newWorld() *world {
	w := &world{log: &changelogtest.Log{}, now: time.Unix(1e9, 0)}
	w.reader = &reader{truth: func() []string { return w.ids }}
	w.restart()
	return w
}

// restart is the program after it was killed: what was in memory is gone.
func (w *world) restart() {
	w.follower = changelog.NewFollower(changelog.Config{
		Name: "test", Log: w.log, Reader: w.reader, SyncEvery: 10 * time.Minute, Now: func() time.Time { return w.now }, Logger: zap.NewNop(),
	})
}

func (w *world) add(ids ...string) {
	for _, id := range ids {
		w.ids = append(w.ids, id)
		w.log.Add(changelog.Change{Kind: changelog.Connector, ID: id, Op: changelog.Created})
	}
}

// knowsAll says that the reader has everything there is.
func (w *world) knowsAll(t *testing.T) {
	t.Helper()
	require.Len(t, w.reader.known, len(w.ids))
}

func TestAFollowerReadsEverythingOnceAndThenOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.add("a", "b")
	require.NoError(t, w.follower.CatchUp(t.Context()))
	require.Equal(t, []string{"sync", "settled"}, w.reader.heard())
	require.NoError(t, w.follower.CatchUp(t.Context()))
	require.Equal(t, []string{"settled"}, w.reader.heard(), "nothing changed")
	w.add("c", "d")
	require.NoError(t, w.follower.CatchUp(t.Context()))
	require.Equal(t, []string{"apply 3-4", "settled"}, w.reader.heard())
	for i := range 2*changelog.PageSize + 1 {
		w.add(fmt.Sprint(i))
	}
	require.NoError(t, w.follower.CatchUp(t.Context()))
	require.Equal(t, []string{"apply 5-504", "apply 505-1004", "apply 1005-1005", "settled"}, w.reader.heard())
	w.knowsAll(t)
	w.now = w.now.Add(10 * time.Minute)
	require.NoError(t, w.follower.CatchUp(t.Context()))
	require.Equal(t, []string{"sync", "settled"}, w.reader.heard(), "the comparison")
}

// TestAChangeWhileItReadsComesBeforeItSettles: whether it has read it or not, it comes again. What
// it has may be of two times before that.
func TestAChangeWhileItReadsComesBeforeItSettles(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.add("a")
	w.reader.truth = func() []string {
		read := slices.Clone(w.ids)
		w.add("late")
		return read
	}
	w.reader.reading = func() {
		w.reader.reading = nil
		w.add("later")
	}
	require.NoError(t, w.follower.CatchUp(t.Context()))
	require.Equal(t, []string{"sync", "apply 2-2", "apply 3-3", "settled"}, w.reader.heard())
	w.knowsAll(t)
}

// TestAStoreThatIsWrittenToAllTheTimeKeepsNobodyFromSettling.
func TestAStoreThatIsWrittenToAllTheTimeKeepsNobodyFromSettling(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.reader.reading = func() { w.add("more") }
	w.add("a")
	require.NoError(t, w.follower.CatchUp(t.Context()))
	w.add("b")
	require.NoError(t, w.follower.CatchUp(t.Context()))
	calls := w.reader.heard()
	require.Equal(t, "settled", calls[len(calls)-1])
	require.Less(t, len(calls), 40)
}

// TestAFollowerThatIsKilledBetweenAnyTwoSteps: whichever call fails, and whether or not
// the program starts anew then, the reader ends with everything.
func TestAFollowerThatIsKilledBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		for step := range 6 {
			w := newWorld()
			w.add("a")
			killed := errors.New("killed")
			die := func(on int) {
				if step == on {
					w.reader.fail = killed
				}
			}
			die(0) // in the first Sync
			first := w.follower.CatchUp(t.Context())
			require.Equal(t, step == 0, errors.Is(first, killed))
			if step == 0 && restarted {
				w.restart()
			}
			require.NoError(t, w.follower.CatchUp(t.Context()))
			w.add("b", "c")
			die(1) // in Apply
			switch step {
			case 2: // the log cannot be read
				w.log.Fail(killed)
			case 3: // in a Sync that compares
				w.now, w.reader.fail = w.now.Add(time.Hour), killed
			}
			second := w.follower.CatchUp(t.Context())
			require.Equal(t, step >= 1 && step <= 3, errors.Is(second, killed), "%d: %v", step, second)
			w.log.Fail(nil)
			w.add("d")
			if restarted {
				w.restart()
			}
			w.reader.heard()
			require.NoError(t, w.follower.CatchUp(t.Context()))
			w.knowsAll(t)
			if step == 1 && !restarted {
				require.Equal(t, []string{"apply 2-4", "settled"}, w.reader.heard(), "what failed comes again")
			}
		}
	}
}

func TestAReaderThatDidNotSettleIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld()
	require.NoError(t, w.follower.CatchUp(t.Context()))
	w.reader.heard()
	w.reader.fail = errors.New("disk full")
	require.Error(t, w.follower.CatchUp(t.Context()))
	require.NoError(t, w.follower.CatchUp(t.Context()))
	require.Equal(t, []string{"settled", "settled"}, w.reader.heard())
}

func TestAFollowerThatIsTooSlowReadsEverythingAnew(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]int{"some of it is left": 1, "all that it lacks is left": 2, "nothing is left": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.add("a")
			require.NoError(t, w.follower.CatchUp(t.Context()))
			w.reader.heard()
			w.add("b", "c")
			w.log.Prune(keep)
			require.NoError(t, w.follower.CatchUp(t.Context()))
			want := "sync"
			if keep == 2 {
				want = "apply 2-3"
			}
			require.Equal(t, []string{want, "settled"}, w.reader.heard())
			w.knowsAll(t)
			w.add("d")
			require.NoError(t, w.follower.CatchUp(t.Context()))
			require.Equal(t, []string{"apply 4-4", "settled"}, w.reader.heard(), "it goes on from there")
		})
	}
}

// pages serves what it is told instead of what is there.
type pages struct {
	*changelogtest.Log

	page []changelog.Change
}

func (p *pages) Changes(context.Context, uint64, int) ([]changelog.Change, error) { return p.page, nil }

func TestALogThatIsNotTheOneBeforeIsReadAnew(t *testing.T) {
	t.Parallel()
	for name, page := range map[string][]changelog.Change{
		"a hole":       {{Seq: 2}, {Seq: 4}},
		"out of order": {{Seq: 3}, {Seq: 2}},
		"twice":        {{Seq: 2}, {Seq: 2}},
		"from before":  {{Seq: 1}, {Seq: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.add("a")
			odd := &pages{Log: w.log, page: page}
			f := changelog.NewFollower(changelog.Config{Name: "test", Log: odd, Reader: w.reader, Now: time.Now, Logger: zap.NewNop()})
			require.NoError(t, f.CatchUp(t.Context()))
			w.add("b", "c")
			w.reader.heard()
			require.NoError(t, f.CatchUp(t.Context()))
			require.Equal(t, []string{"sync", "settled"}, w.reader.heard())
			w.knowsAll(t)
		})
	}
	t.Run("shorter than before", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		w.add("a", "b")
		require.NoError(t, w.follower.CatchUp(t.Context()))
		w.reader.heard()
		*w.log, w.ids = changelogtest.Log{}, nil
		w.add("c")
		require.NoError(t, w.follower.CatchUp(t.Context()))
		require.Equal(t, []string{"sync", "settled"}, w.reader.heard())
	})
}

func TestAnotherLogIsReadAnewAlsoAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.add("a", "b")
	require.NoError(t, w.follower.CatchUp(t.Context()))
	*w.log, w.ids = changelogtest.Log{}, nil
	w.add("c")
	w.reader.fail = errors.New("away")
	require.Error(t, w.follower.CatchUp(t.Context()))
	w.add("d", "e") // the other log is longer now than the one before was
	w.reader.heard()
	require.NoError(t, w.follower.CatchUp(t.Context()))
	require.Equal(t, []string{"sync", "settled"}, w.reader.heard())
	w.knowsAll(t)
}

func TestAFollowerThatFailsIsNotWokenByEachChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var steps atomic.Int32 // time that passes orders nothing for the race detector
		f := changelog.NewFollower(changelog.Config{
			Name: "test", Log: w.log, Reader: w.reader, Result: func(error) { steps.Add(1) }, Now: time.Now, Logger: zap.NewNop(),
		})
		w.log.Fail(errors.New("away"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		synctest.Wait()
		for range 100 {
			w.log.Wake()
			synctest.Wait() // no time passes
		}
		require.EqualValues(t, 1, steps.Load())
		<-time.After(time.Second) // of the bubble
		synctest.Wait()
		require.EqualValues(t, 2, steps.Load())
		cancel()
		require.NoError(t, <-done)
	})
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.follower.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, []string{"sync", "settled"}, w.reader.heard(), "at the start")
		w.add("a")
		w.log.Wake()
		synctest.Wait() // no time passes
		require.Equal(t, []string{"apply 1-1", "settled"}, w.reader.heard(), "a wake-up is now")
		w.add("b")
		synctest.Wait()
		require.Empty(t, w.reader.heard())
		<-time.After(time.Second) // of the bubble
		synctest.Wait()
		require.Equal(t, []string{"apply 2-2", "settled"}, w.reader.heard(), "a lost wake-up costs a second")

		w.log.Fail(errors.New("away"))
		for range 100 {
			w.log.Wake()
			synctest.Wait()
		}
		require.NoError(t, w.follower.Alive(ctx), "while the database is away")
		w.add("c")
		w.log.Fail(nil)
		<-time.After(time.Second) // of the bubble
		synctest.Wait()
		require.Contains(t, w.reader.heard(), "apply 3-3")
		w.knowsAll(t)
		cancel()
		require.NoError(t, <-done)
		stopped, stop := context.WithCancel(t.Context())
		stop()
		require.ErrorIs(t, w.follower.Alive(stopped), health.ErrHangs)
	})
}

func TestAFollowerSaysHowFarItIsWithoutWaitingForItsReader(t *testing.T) {
	t.Parallel()
	log := &changelogtest.Log{}
	log.Add(changelog.Change{ID: "a"}, changelog.Change{ID: "b"})
	slow := &slowReader{begun: make(chan struct{}), may: make(chan struct{})}
	f := changelog.NewFollower(changelog.Config{Log: log, Reader: slow, Now: time.Now, Logger: zap.NewNop()})
	require.Zero(t, f.Position())
	require.NoError(t, f.CatchUp(t.Context()))
	require.EqualValues(t, 2, f.Position())
	log.Add(changelog.Change{ID: "c"})
	done := make(chan error, 1)
	go func() { done <- f.CatchUp(context.WithoutCancel(t.Context())) }()
	<-slow.begun
	require.EqualValues(t, 2, f.Position(), "it has not taken the last one")
	close(slow.may)
	require.NoError(t, <-done)
	require.EqualValues(t, 3, f.Position())
}

// slowReader takes changes when it may.
type slowReader struct{ begun, may chan struct{} }

func (*slowReader) Sync(context.Context) error { return nil }

func (s *slowReader) Apply(context.Context, []changelog.Change) error {
	close(s.begun)
	<-s.may
	return nil
}

func (*slowReader) Settled(context.Context) error { return nil }
