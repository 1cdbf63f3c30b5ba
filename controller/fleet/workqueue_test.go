package fleet_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

func TestAKeyIsHandedOutOnceHoweverOftenItWasAdded(t *testing.T) {
	t.Parallel()
	q := fleet.NewWorkQueue()
	for range 3 {
		q.Add("a", false)
	}
	q.Add("b", false)
	q.Add("c", true)
	q.Add("b", true)
	require.Equal(t, []string{"c", "b", "a"}, drain(q), "urgent ones first, else in order")
	require.True(t, q.Idle())
}

// drain takes and gives back all that waits.
func drain(q *fleet.WorkQueue) (got []string) {
	for !q.Idle() {
		k, _ := q.Take()
		got = append(got, k)
		q.Done(k)
	}
	return got
}

func TestAKeyIsWithOneWorkerAtATime(t *testing.T) {
	t.Parallel()
	q := fleet.NewWorkQueue()
	q.Add("a", false)
	k, ok := q.Take()
	require.True(t, ok)
	require.Equal(t, "a", k)
	q.Add("a", false) // it changed after it was looked at
	q.Add("a", true)
	q.Add("b", false)
	k, _ = q.Take()
	require.Equal(t, "b", k, "another worker does not get it")
	q.Done("b")
	q.Done("a")
	require.Equal(t, []string{"a"}, drain(q), "what changed while it was worked on is worked on again, once")
}

func TestAKeyThatFailsWaitsLongerEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := fleet.NewWorkQueue()
		defer q.Close()
		waited := func() time.Duration {
			q.Retry("a")
			began := time.Now()
			k, _ := q.Take()
			q.Done(k)
			return time.Since(began)
		}
		within := func(want time.Duration) {
			t.Helper()
			got := waited()
			require.InDelta(t, want.Seconds(), got.Seconds(), want.Seconds()/4)
		}
		for want := 250 * time.Millisecond; want < 8*time.Second; want *= 2 {
			within(want)
		}
		within(8 * time.Second)
		within(8 * time.Second)
		q.Succeeded("a")
		within(250 * time.Millisecond)

		spread := map[time.Duration]bool{}
		for range 20 {
			q.Succeeded("a")
			spread[waited()] = true
		}
		require.Greater(t, len(spread), 10, "not all that failed together come back together")

		q.Retry("a")
		q.Add("a", false)
		began := time.Now()
		_, _ = q.Take()
		require.Zero(t, time.Since(began), "a change does not wait for the pause")
	})
}

func TestTheEndOfTheQueueIsTheEndOfAllWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := fleet.NewWorkQueue()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				_, ok := q.Take()
				require.False(t, ok)
			})
		}
		synctest.Wait()
		q.Retry("late")
		q.Close()
		all.Wait()
		q.Add("a", true)
		q.Retry("a")
		<-time.After(time.Minute)
		require.True(t, q.Idle(), "what came later is not kept")
	})
}
