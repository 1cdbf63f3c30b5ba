package fleet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// countable has the members that a test gives it.
type countable struct {
	connectors []fleet.Connector
	activity   presence.Activity
	err        error
}

func (w *countable) Lists(context.Context) (*fleet.Lists, error) {
	return fleet.NewLists(w, w.connectors, nil, nil), w.err
}
func (w *countable) Activity() presence.Activity { return w.activity }

func (w *countable) Connector(id string, _ time.Time) presence.State {
	for _, c := range w.connectors {
		if c.ID == id {
			return c.Presence
		}
	}
	return presence.State{}
}

func (w *countable) Tunneler(string, time.Time) (presence.State, string, []presence.Session) {
	return presence.State{}, "", nil
}

func (w *countable) LastSeen(m identity.Workload, stored time.Time) time.Time {
	return w.Connector(m.ID, stored).LastSeen
}

func memberOf(id string, revoked time.Time) fleet.Member {
	return fleet.Member{Workload: identity.Workload{Kind: identity.KindConnector, ID: id}, RevokedAt: revoked}
}

func TestPointsCountMembersAndWhatHappenedWithinTheStep(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)
	w := &countable{connectors: []fleet.Connector{
		{Member: memberOf("a", time.Time{}), Presence: presence.State{Status: presence.Online}}, {Member: memberOf("b", time.Time{})}, {Member: memberOf("c", now)},
	}}
	s := fleet.NewSeries(w, zap.NewNop(), func() time.Time { return now })
	for range 24 * 360 { // a day
		w.activity.Heartbeats += 3
		w.activity.Rotations++
		now = now.Add(fleet.LastHour.Step)
		require.NoError(t, s.Sample(t.Context()))
	}
	fine, coarse := s.Points(fleet.LastHour), s.Points(fleet.LastDay)
	require.Len(t, fine, 360, "an hour")
	require.Len(t, coarse, 288, "a day")
	require.Equal(t, fleet.SeriesPoint{At: now, ConnectorsOnline: 1, ConnectorsTotal: 2, Heartbeats: 3, Rotations: 1}, fine[359])
	require.Equal(t, now.Add(-time.Hour+fleet.LastHour.Step), fine[0].At)
	require.Equal(t, fleet.SeriesPoint{At: now, ConnectorsOnline: 1, ConnectorsTotal: 2, Heartbeats: 90, Rotations: 30}, coarse[287])

	w.err = errors.New("disk full")
	require.ErrorIs(t, s.Sample(t.Context()), w.err)
	require.Equal(t, fine, s.Points(fleet.LastHour), "a point is missing and not made up")
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, fleet.NewSeries(&countable{}, zap.NewNop(), time.Now).Run(ctx))
}
