package presence_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// watch runs Watch and returns a function that waits for the next flip.
func watch(t *testing.T, r *presence.Roster) (next func() string, none func()) {
	t.Helper()
	flips := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- r.Watch(ctx, func(w identity.Workload, s presence.Status) { flips <- w.String() + " " + string(s) })
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	next = func() string {
		t.Helper()
		select {
		case f := <-flips:
			return f
		case <-time.After(patience):
			require.Fail(t, "no flip")
			return ""
		}
	}
	// A flip of another member comes after all that could come before it.
	none = func() {
		t.Helper()
		stream := r.ConnectorUp(presence.Arrival{ID: "marker"}, "", presence.SVID{})
		require.Equal(t, "connector/marker ONLINE", next())
		r.ConnectorDown("marker", stream)
		require.Equal(t, "connector/marker OFFLINE", next())
	}
	return next, none
}

func TestWatchTellsOfEveryFlip(t *testing.T) {
	t.Parallel()
	clock := newClock()
	r := presence.NewRoster(clock.Now)
	next, none := watch(t, r)

	stream := r.ConnectorUp(presence.Arrival{ID: "c"}, "", presence.SVID{})
	require.Equal(t, "connector/c ONLINE", next())
	r.ConnectorBeat("c", stream, presence.SVID{}, 1)
	none()
	newer := r.ConnectorUp(presence.Arrival{ID: "c"}, "", presence.SVID{})
	r.ConnectorDown("c", stream)
	none() // the late end of an older stream is no flip
	r.ConnectorDown("c", newer)
	require.Equal(t, "connector/c OFFLINE", next())

	report := presence.Report{TunnelerID: "t", Since: clock.Now()}
	r.TunnelerReport("c", report)
	require.Equal(t, "tunneler/t ONLINE", next())
	report.Detached = true
	r.TunnelerReport("another", report)
	none()
	r.TunnelerReport("c", report)
	require.Equal(t, "tunneler/t OFFLINE", next())
}

func TestWatchNoticesSilence(t *testing.T) {
	t.Parallel()
	clock := newClock()
	r := presence.NewRoster(clock.Now)
	next, _ := watch(t, r)
	stream := r.ConnectorUp(presence.Arrival{ID: "c"}, "", presence.SVID{})
	require.Equal(t, "connector/c ONLINE", next())
	clock.Advance(presence.OfflineAfter + time.Second)
	require.Equal(t, "connector/c OFFLINE", next(), "nothing happened but time")
	r.ConnectorBeat("c", stream, presence.SVID{}, 1)
	require.Equal(t, "connector/c ONLINE", next())
	r.Forget(connector("c"))
	require.Equal(t, "connector/c OFFLINE", next(), "a revoked member")
}

func TestActivityCountsHeartbeatsAndChangesOfTheSVID(t *testing.T) {
	t.Parallel()
	r := presence.NewRoster(time.Now)
	stream := r.ConnectorUp(presence.Arrival{ID: "c"}, "", presence.SVID{Serial: "1"})
	for _, serial := range []string{"1", "2", "2", "3"} {
		r.ConnectorBeat("c", stream, presence.SVID{Serial: serial}, 1)
	}
	r.ConnectorBeat("c", stream+1, presence.SVID{Serial: "9"}, 1)
	r.TunnelerReport("c", presence.Report{TunnelerID: "t", SVID: presence.SVID{Serial: "1"}})
	r.TunnelerReport("c", presence.Report{TunnelerID: "t", SVID: presence.SVID{Serial: "2"}})
	r.ConnectorProved("c", stream, presence.SVID{Serial: "4"})
	r.ConnectorBeat("c", stream, presence.SVID{Serial: "made up"}, 1)
	require.Equal(t, presence.Activity{Heartbeats: 7, Rotations: 4}, r.Activity())
}
