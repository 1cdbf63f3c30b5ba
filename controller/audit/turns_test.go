package audit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// crowd are connectors that wait for their turns in a bubble.
type crowd struct {
	turns *audit.Turns
	news  func() // a new checkpoint
	mine  []<-chan struct{}
	leave []func()
	last  []time.Time
	worst time.Duration
}

func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	heads := make(chan struct{}, 1)
	c := &crowd{news: func() { heads <- struct{}{}; synctest.Wait() }}
	c.turns = audit.NewTurnsOf(heads, time.Now)
	for range n {
		c.join()
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.turns.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return c
}

func (c *crowd) join() {
	mine, leave := c.turns.Join()
	c.mine, c.leave, c.last = append(c.mine, mine), append(c.leave, leave), append(c.last, time.Now())
}

// served takes all turns that were given, and says whose they are.
func (c *crowd) served() (who []int) {
	for i, mine := range c.mine {
		if mine == nil {
			continue
		}
		select {
		case <-mine:
			c.worst = max(c.worst, time.Since(c.last[i]))
			c.last[i] = time.Now()
			who = append(who, i)
		default:
			c.worst = max(c.worst, time.Since(c.last[i]))
		}
	}
	return who
}

func TestANewCheckpointGoesToFiveConnectorsInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1000)
		c.news()
		require.Empty(t, c.served(), "each has had its first one a moment ago")
		<-time.After(10*time.Second + 500*time.Millisecond)
		synctest.Wait()
		c.served()
		seen := map[int]bool{}
		for range 20 {
			c.news()
			who := c.served()
			require.Len(t, who, 5)
			for _, i := range who {
				require.False(t, seen[i], "in turn")
				seen[i] = true
			}
		}
	})
}

// TestEveryConnectorHasItsTurnWithinAMinute whatever the others do: that is half of
// what a connector waits for.
func TestEveryConnectorHasItsTurnWithinAMinute(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 7, 60, 1000, 1001} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t, n)
			total := 0
			for second := range 200 {
				<-time.After(time.Second)
				synctest.Wait()
				total += len(c.served())
				if n >= 60 { // some leave and come back all the time
					i := second * 7 % n
					c.leave[i]()
					c.mine[i], c.leave[i] = c.turns.Join()
					c.last[i] = time.Now()
				}
				if second%3 == 0 {
					c.news()
					total += len(c.served())
				}
			}
			require.LessOrEqual(t, c.worst, 61*time.Second, "%d connectors", n)
			require.LessOrEqual(t, total, 200*max(5, n/60+1)+67*5, "and no more than that: %d connectors", n)
			if n <= 7 {
				require.LessOrEqual(t, c.worst, 4*time.Second, "few have it sooner")
			}
		})
	}
}

func TestAConnectorThatLeftHasNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 2)
		c.leave[0]()
		c.leave[0]() // twice is no harm
		<-time.After(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{1}, c.served())
		c.leave[1]()
		c.news()
		require.Empty(t, c.served())
	})
}

func TestTurnsFollowTheSequencer(t *testing.T) {
	t.Parallel()
	seq := audit.NewSequencer(audit.SequencerConfig{Signer: &audit.Signer{}, Log: zap.NewNop(), Now: time.Now})
	require.NotNil(t, audit.NewTurns(seq, time.Now))
}
