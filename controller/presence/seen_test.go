package presence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
)

// seenStore records the batches of last-seen times.
type seenStore struct {
	mu      sync.Mutex
	batches [][]presence.Seen
	fail    error
}

func (s *seenStore) SaveSeen(ctx context.Context, seen []presence.Seen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.batches = append(s.batches, seen)
	return s.fail
}

// take returns what was written since the last call.
func (s *seenStore) take() [][]presence.Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.batches = nil }()
	return s.batches
}

// last has Run write once more, as it does when it ends.
func last(t *testing.T, r *presence.Roster, s *seenStore) []presence.Seen {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, r.Run(ctx, s, zap.NewNop()))
	return slices.Concat(s.take()...)
}

func TestLastSeenTimesAreStoredWhenTheProgramStops(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	s := &seenStore{}
	require.Empty(t, last(t, r, s), "nobody was here, nothing is written")

	stream := r.ConnectorUp(presence.Arrival{ID: "c-01", Version: "v1"}, "", presence.SVID{})
	for range 100 {
		c.Advance(time.Millisecond)
		r.ConnectorBeat("c-01", stream, presence.SVID{}, 1)
	}
	beat := c.Now()
	c.Advance(time.Second)
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Version: "v2", Since: c.Now()})
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Since: c.Now()})
	r.ConnectorUp(presence.Arrival{ID: "gone"}, "", presence.SVID{})
	r.Forget(connector("gone"))
	require.Empty(t, cmp.Diff([]presence.Seen{
		{Workload: connector("c-01"), At: beat},
		{Workload: tunneler("t-01"), At: c.Now(), Version: "v2", Connector: "c-01", First: true},
	}, last(t, r, s)), "101 heartbeats are one row, the connector of the first session is kept, who was revoked is not written")
	require.Empty(t, last(t, r, s), "written once")

	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Since: c.Now()})
	require.Empty(t, cmp.Diff([]presence.Seen{
		{Workload: tunneler("t-01"), At: c.Now(), Version: "v2", Connector: "c-01"},
	}, last(t, r, s)), "its first use is stored")
}

func TestLastSeenTimesThatAreNotStoredAreStoredLater(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	for i := range 1200 {
		r.TunnelerReport("c-01", presence.Report{TunnelerID: fmt.Sprintf("t-%04d", i), Since: c.Now()})
	}
	full := &seenStore{fail: errors.New("disk full")}
	require.Less(t, len(last(t, r, full)), 1200, "whoever else writes waits for no more than some of the fleet")
	r.Forget(tunneler("t-0007"))
	heard := c.Now()
	c.Advance(time.Hour)
	got := last(t, r, &seenStore{})
	require.Len(t, got, 1199, "no heartbeat is needed, and whoever was revoked meanwhile is not written")
	require.Equal(t, heard, got[0].At)
	require.True(t, got[0].First)
	require.True(t, slices.IsSortedFunc(got, cmpID), "in the order of the table")
}

func cmpID(a, b presence.Seen) int {
	if a.Workload.ID < b.Workload.ID {
		return -1
	}
	return 1
}

// TestLastSeenTimesAreStoredOnceAMinute: heartbeats, and members that come and go,
// write nothing in between.
func TestLastSeenTimesAreStoredOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := presence.NewRoster(time.Now)
		s := &seenStore{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx, s, zap.NewNop()) }()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for second := range 10 * 60 {
			<-tick.C
			if second%60 == 30 { // between two flushes
				require.LessOrEqual(t, len(s.take()), 1)
			}
			stream := r.ConnectorUp(presence.Arrival{ID: "c-01"}, "", presence.SVID{})
			r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Since: time.Now()})
			r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Detached: true})
			r.ConnectorDown("c-01", stream)
		}
		cancel()
		require.NoError(t, <-ended)
		written := s.take()
		require.NotEmpty(t, written, "the last one")
		require.Len(t, written[len(written)-1], 2)
	})
}
