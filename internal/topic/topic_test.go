package topic_test

import (
	"sync"
	"testing"

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
