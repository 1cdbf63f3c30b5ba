package series_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/series"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world has as many members as it is told.
type world struct {
	connectors []fleet.Connector
	activity   presence.Activity
	err        error
}

func (w *world) Lists(context.Context) (*fleet.Lists, error) {
	return fleet.NewLists(w, w.connectors, nil, nil), w.err
}
func (w *world) Activity() presence.Activity { return w.activity }

func (w *world) Connector(id string, _ time.Time) presence.State {
	for _, c := range w.connectors {
		if c.ID == id {
			return c.Presence
		}
	}
	return presence.State{}
}

func (w *world) Tunneler(string, time.Time) (presence.State, string, []presence.Session) {
	return presence.State{}, "", nil
}

func (w *world) LastSeen(m identity.Workload, stored time.Time) time.Time {
	return w.Connector(m.ID, stored).LastSeen
}

func member(id string, revoked time.Time) fleet.Member {
	return fleet.Member{Workload: identity.Workload{Kind: identity.KindConnector, ID: id}, RevokedAt: revoked}
}

func TestPointsCountMembersAndWhatHappenedWithinTheStep(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)
	w := &world{connectors: []fleet.Connector{
		{Member: member("a", time.Time{}), Presence: presence.State{Status: presence.Online}}, {Member: member("b", time.Time{})}, {Member: member("c", now)},
	}}
	s := series.New(w, zap.NewNop(), func() time.Time { return now })
	for range 24 * 360 { // a day
		w.activity.Heartbeats += 3
		w.activity.Rotations++
		now = now.Add(series.Fine.Step)
		require.NoError(t, s.Sample(t.Context()))
	}
	fine, coarse := s.Points(series.Fine), s.Points(series.Coarse)
	require.Len(t, fine, 360, "an hour")
	require.Len(t, coarse, 288, "a day")
	require.Equal(t, series.Point{At: now, ConnectorsOnline: 1, ConnectorsTotal: 2, Heartbeats: 3, Rotations: 1}, fine[359])
	require.Equal(t, now.Add(-time.Hour+series.Fine.Step), fine[0].At)
	require.Equal(t, series.Point{At: now, ConnectorsOnline: 1, ConnectorsTotal: 2, Heartbeats: 90, Rotations: 30}, coarse[287])

	w.err = errors.New("disk full")
	require.ErrorIs(t, s.Sample(t.Context()), w.err)
	require.Equal(t, fine, s.Points(series.Fine), "a point is missing and not made up")
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, series.New(&world{}, zap.NewNop(), time.Now).Run(ctx))
}
