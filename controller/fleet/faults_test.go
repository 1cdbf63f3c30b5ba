package fleet_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// faulty is a memory whose log is another one, which can fail.
type faulty struct {
	*memory

	log *changelogtest.Log
}

func (f faulty) ChangePosition(ctx context.Context) (uint64, error) { return f.log.ChangePosition(ctx) }

func (f faulty) Changes(ctx context.Context, after uint64, limit int) ([]changelog.Change, error) {
	return f.log.Changes(ctx, after, limit)
}

func (f faulty) SubscribeChanges() (<-chan struct{}, func()) { return f.log.SubscribeChanges() }

func TestListsBearTheFaultsOfTheirLog(t *testing.T) {
	t.Parallel()
	changelogtest.Faults(t, func(*testing.T) changelogtest.Subject {
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		clock := func() time.Time { return now }
		m := faulty{newMemory(), &changelogtest.Log{}}
		var lists *fleet.Fleet
		commits := 0
		return changelogtest.Subject{
			Log: m.log,
			Start: func() func(context.Context) error {
				lists = fleet.New(fleet.Config{Store: m, Roster: presence.NewRoster(clock), Now: clock})
				return func(ctx context.Context) error {
					_, err := lists.Lists(ctx)
					return err
				}
			},
			Commit: func() { // a host comes with both kinds of members, and the one before is revoked
				before := len(m.memory.log)
				if commits > 0 {
					id := fmt.Sprintf("%02d", commits-1)
					h, c, u := m.hosts[identity.HostID("h-"+id)], m.connectors["c-"+id], m.tunnelers["t-"+id]
					h.RevokedAt, c.RevokedAt, u.RevokedAt = now, now, now
					m.putConnector(c)
					m.putTunneler(u)
					m.putHost(h)
				}
				id := fmt.Sprintf("%02d", commits)
				host := identity.HostID("h-" + id)
				m.putHost(fleet.Host{ID: host, EnrolledAt: now})
				m.putConnector(fleet.Connector{Member: fleet.Member{Workload: connector("c-" + id), HostID: host, EnrolledAt: now}})
				m.putTunneler(fleet.Tunneler{Member: fleet.Member{Workload: tunneler("t-" + id), HostID: host, EnrolledAt: now}})
				commits++
				m.log.Add(m.memory.log[before:]...)
			},
			Agrees: func(t *testing.T) {
				t.Helper()
				connectors, err := lists.Connectors(t.Context())
				require.NoError(t, err)
				tunnelers, err := lists.Tunnelers(t.Context())
				require.NoError(t, err)
				hosts, err := lists.Hosts(t.Context())
				require.NoError(t, err)
				require.Len(t, connectors, commits)
				require.Len(t, tunnelers, commits)
				require.Len(t, hosts, commits)
				for i := range commits {
					last := i == commits-1
					require.Equal(t, last, connectors[i].Live(), connectors[i].ID)
					require.Equal(t, last, tunnelers[i].Live(), tunnelers[i].ID)
					require.Equal(t, last, hosts[i].RevokedAt.IsZero(), hosts[i].ID)
				}
			},
		}
	})
}
