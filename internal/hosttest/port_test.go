package hosttest_test

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

func TestAPortIsOneTestsUntilItEnds(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []int
	t.Run("of many", func(t *testing.T) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 50 {
					port := hosttest.Port(t)
					mu.Lock()
					got = append(got, port)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		require.Len(t, unique(got), 400, "nobody gets a port that is another's, though nobody listens on it")
	})
}

func unique(ports []int) map[int]bool {
	out := map[int]bool{}
	for _, p := range ports {
		out[p] = true
	}
	return out
}

func TestNobodyListensOnAnAddress(t *testing.T) {
	t.Parallel()
	addr := hosttest.Address(t)
	_, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	require.ErrorContains(t, err, "refused")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	require.NoError(t, err, "it can be used")
	require.NoError(t, l.Close())
}
