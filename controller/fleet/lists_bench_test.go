package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// BenchmarkHosts reads the first page of 50 hosts: what it costs does not depend on the
// fleet.
func BenchmarkHosts(b *testing.B) {
	for _, fleetSize := range []int{1000, 50_000} {
		b.Run(fmt.Sprint(fleetSize), func(b *testing.B) {
			roster, enrolled := presence.NewRoster(time.Now), time.Now()
			var connectors []fleet.Connector
			var tunnelers []fleet.Tunneler
			var hosts []fleet.Host
			for i := range fleetSize {
				// As random as real ones are: neighbours in the list are not in memory.
				id := identity.HostID(fmt.Sprintf("%08x", uint32(i)*2654435761))
				hosts = append(hosts, fleet.Host{ID: id, Hostname: "host", EnrolledAt: enrolled})
				m := fleet.Member{Workload: identity.Workload{ID: fmt.Sprintf("member-%d", i)}, HostID: id, EnrolledAt: enrolled}
				if m.Kind = identity.KindTunneler; i%50 == 0 {
					m.Kind = identity.KindConnector
					connectors = append(connectors, fleet.Connector{Member: m})
					roster.ConnectorUp(presence.Arrival{ID: m.ID}, "192.0.2.1:1", presence.SVID{})
					continue
				}
				tunnelers = append(tunnelers, fleet.Tunneler{Member: m})
			}
			lists := fleet.NewLists(roster, connectors, tunnelers, hosts)
			for b.Loop() {
				_, err := lists.Hosts(b.Context(), fleet.Query{Sort: fleet.ByID, Limit: 50})
				require.NoError(b, err)
			}
		})
	}
}
