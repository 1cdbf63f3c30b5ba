package topic_test

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestASubscriberIsWokenOnceForManyChangesAndReadsTheLast(t *testing.T) {
	t.Parallel()
	var news topic.Topic[int]
	news.Set(1)
	c, unsubscribe := news.Subscribe()
	require.False(t, woken(c), "what was set before")
	news.Set(2)
	news.Set(3)
	require.True(t, woken(c))
	require.False(t, woken(c), "one wake-up for two changes")
	require.Equal(t, 3, news.Get())
	news.Wake()
	require.True(t, woken(c), "the same value again")
	unsubscribe()
	unsubscribe()
	news.Set(4)
	require.False(t, woken(c), "it has unsubscribed")
}

func TestSubscribersDoNotHoldUpOneAnother(t *testing.T) {
	t.Parallel()
	var news topic.Topic[int]
	slow, forget := news.Subscribe()
	defer forget()
	const last = 1000
	var readers sync.WaitGroup
	for range 4 {
		c, unsubscribe := news.Subscribe()
		readers.Go(func() {
			defer unsubscribe()
			for seen := 0; seen < last; {
				<-c
				now := news.Get()
				if now < seen {
					t.Errorf("%d after %d", now, seen)
				}
				seen = now
			}
		})
	}
	for i := 1; i <= last; i++ {
		news.Set(i)
	}
	readers.Wait()
	require.True(t, woken(slow))
	require.Equal(t, last, news.Get())
}

// TestOneChannelHearsOfSeveralTopics: whoever waits on one is woken by each, until its
// own subscription to that ends.
func TestOneChannelHearsOfSeveralTopics(t *testing.T) {
	t.Parallel()
	var news topic.Topic[string]
	var other topic.Topic[int]
	c := topic.NewHint()
	stop, forget, again := news.Notify(c), other.Notify(c), news.Notify(c)
	news.Set("a")
	other.Set(1)
	require.True(t, woken(c))
	require.False(t, woken(c), "one wake-up for both")
	stop()
	stop()
	news.Wake()
	require.True(t, woken(c), "the other subscription to it goes on")
	again()
	news.Wake()
	require.False(t, woken(c))
	other.Wake()
	require.True(t, woken(c))
	forget()
	other.Wake()
	require.False(t, woken(c))
}

// BenchmarkFanOut is a change of which thousands hear, and which each of them reads.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("subscribers=%d", n), func(b *testing.B) {
			var news topic.Topic[int]
			var readers, reading sync.WaitGroup
			for range n {
				c, unsubscribe := news.Subscribe()
				readers.Go(func() {
					defer unsubscribe()
					for range c {
						if news.Get() < 0 {
							return
						}
						reading.Done()
					}
				})
			}
			began := cpu()
			for b.Loop() {
				reading.Add(n)
				news.Set(1)
				reading.Wait()
			}
			b.ReportMetric(float64((cpu()-began).Nanoseconds())/float64(b.N*n), "cpu-ns/subscriber")
			news.Set(-1)
			readers.Wait()
		})
	}
}

// cpu is the time that this process has worked.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // it cannot fail with these arguments
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
