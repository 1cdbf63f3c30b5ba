package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// answers counts the commits that Witnesses makes.
type answers struct {
	audit.WitnessStore

	mu      sync.Mutex
	commits int
	err     error
	failing func() // is called while err is on its way
	stored  map[string]audit.Witness
}

func (a *answers) PutWitnesses(_ context.Context, all []audit.Witness) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		if a.failing != nil {
			a.failing()
		}
		return a.err
	}
	a.commits++
	for _, w := range all {
		a.stored[w.Connector] = w
	}
	return nil
}

// fail makes each commit fail from now on; meanwhile may be nil.
func (a *answers) fail(err error, meanwhile func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err, a.failing = err, meanwhile
}

func (a *answers) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.commits
}

func (a *answers) of(connector string) audit.Witness {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stored[connector]
}

func TestAnswersOfWitnessesAreStoredInOneCommitASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &answers{stored: map[string]audit.Witness{}}
		seq := audit.NewSequencer(audit.SequencerConfig{Signer: &audit.Signer{}, Log: zap.NewNop(), Now: time.Now})
		w := audit.NewWitnesses(store, seq, audit.New(zap.NewNop(), time.Now))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		say := func(size int64) {
			for i := range 100 {
				require.NoError(t, w.Witnessed(ctx, fmt.Sprintf("c-%03d", i), size, ""))
			}
		}
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		say(1)
		say(2)
		require.Zero(t, store.count())
		pass(1100 * time.Millisecond)
		require.Equal(t, 1, store.count())
		require.EqualValues(t, 2, store.of("c-099").Size)
		require.EqualValues(t, 2, store.of("c-000").Size)
		say(2)
		pass(3 * time.Second)
		require.Equal(t, 1, store.count(), "nothing new")

		full := errors.New("disk full")
		store.fail(full, nil)
		say(3)
		pass(time.Second)
		require.NoError(t, w.Witnessed(ctx, "c-000", 4, "forked"))
		store.fail(full, func() { require.NoError(t, w.Witnessed(ctx, "c-001", 4, "")) })
		pass(time.Second)
		store.fail(nil, nil)
		pass(time.Second)
		require.EqualValues(t, 4, store.of("c-001").Size, "also one that comes while the store fails")
		require.EqualValues(t, 3, store.of("c-099").Size, "kept until the store takes it")
		require.EqualValues(t, 4, store.of("c-000").Size, "the newer answer counts")
		require.Equal(t, "forked", store.of("c-000").Failure)

		say(5)
		cancel()
		require.NoError(t, <-done)
		require.EqualValues(t, 5, store.of("c-050").Size, "and once more at the end")
	})
}
