package controlclient_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
)

// tried are the addresses of the first n attempts.
func (a *attempts) tried(n int) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, target := range a.addrs[:min(n, len(a.addrs))] {
		out = append(out, target[len("passthrough:///"):])
	}
	return out
}

func TestRotation(t *testing.T) {
	t.Parallel()
	down := func(context.Context, int, func()) error { return errDown }
	configured, wrong := []string{"right:1"}, []string{"wrong:1"}
	t.Run("tries what was configured before what an earlier run learned", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, seen, stop := start(t, controlclient.Config{
				Addresses: configured, Learned: controlclient.Learned{Addresses: wrong, ConfirmedAt: time.Now()},
			}, down)
			elapse(2 * time.Second)
			stop()
			require.Equal(t, []string{"right:1", "wrong:1", "right:1"}, seen.tried(3))
		})
	})
	t.Run("keeps what was configured when the peer names something else", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, seen, stop := start(t, controlclient.Config{Addresses: configured}, down)
			c.Learn(wrong)
			elapse(2 * time.Second)
			stop()
			require.Equal(t, []string{"right:1", "wrong:1", "right:1"}, seen.tried(3))
		})
	})
	t.Run("drops what the peer names no longer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, seen, stop := start(t, controlclient.Config{Addresses: configured}, down)
			c.Learn(wrong)
			c.Learn([]string{"right:1", "other:1"})
			elapse(2 * time.Second)
			stop()
			require.Equal(t, []string{"right:1", "other:1", "right:1"}, seen.tried(3))
		})
	})
	t.Run("takes no more than its limit from a peer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var flood []string
			for i := range 1000 {
				flood = append(flood, fmt.Sprintf("x%d:1", i))
			}
			c, seen, stop := start(t, controlclient.Config{Addresses: configured}, down)
			c.Learn(flood)
			elapse(12 * time.Minute)
			stop()
			all := seen.tried(1000)
			slices.Sort(all)
			require.Len(t, slices.Compact(all), 1+controlclient.MaxLearned)
		})
	})
	for name, tc := range map[string]struct {
		age  time.Duration
		want []string
	}{
		"a list that was confirmed a moment ago":       {0, []string{"right:1", "wrong:1"}},
		"a list of almost its life":                    {controlclient.LearnedLife - time.Minute, []string{"right:1", "wrong:1"}},
		"a list that nobody confirmed for its life":    {controlclient.LearnedLife, []string{"right:1", "right:1"}},
		"a list that was confirmed by a clock in 2099": {-73 * 365 * 24 * time.Hour, []string{"right:1", "wrong:1"}},
	} {
		t.Run("judges the age of "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, seen, stop := start(t, controlclient.Config{
					Addresses: configured, Learned: controlclient.Learned{Addresses: wrong, ConfirmedAt: time.Now().Add(-tc.age)},
				}, down)
				elapse(time.Second)
				stop()
				require.Equal(t, tc.want, seen.tried(2))
			})
		})
	}
	t.Run("counts the life of a learned address from the end of the stream", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, seen, stop := start(t, controlclient.Config{Addresses: configured}, func(_ context.Context, n int, established func()) error {
				if n == 1 {
					established()
					elapse(2 * controlclient.LearnedLife)
				}
				return errDown
			})
			synctest.Wait()
			c.Learn(wrong)
			elapse(2*controlclient.LearnedLife + 2*time.Second)
			stop()
			require.Contains(t, seen.tried(4), "wrong:1")
		})
	})
	t.Run("does not hurry after a stream because a list came on it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, seen, stop := start(t, controlclient.Config{Addresses: configured}, func(_ context.Context, n int, established func()) error {
				if n == 1 {
					established()
					elapse(time.Minute)
				}
				return errDown
			})
			synctest.Wait()
			c.Learn(wrong)
			elapse(time.Minute + 100*time.Millisecond)
			stop()
			require.Equal(t, seconds(0), seen.at)
		})
	})
}
