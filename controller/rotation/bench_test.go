package rotation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation/rotationtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// newLinks has n stored tunnelers, each with a session at c-01.
func newLinks(t testing.TB, n int, now func() time.Time) *links {
	t.Helper()
	spire := rotationtest.NewSPIRE(now, 24*time.Hour)
	world := rotationtest.NewWorld(now, spire)
	l := &links{scene: &scene{spire: spire, world: world, store: &rotationtest.Store{}}, roster: presence.NewRoster(now)}
	l.t, _ = t.(*testing.T)
	var stored nobody
	for i := range n {
		w := identity.Workload{Kind: identity.KindTunneler, ID: fmt.Sprintf("t-%06d", i)}
		stored.members = append(stored.members, fleet.Tunneler{Member: fleet.Member{
			Workload: w, HostID: identity.HostID(fmt.Sprintf("%032x", i)), EnrolledAt: now(), LastSeenAt: now(),
		}})
		l.names = append(l.names, w.ID)
		l.report("c-01", w.ID, "ca-1")
	}
	l.bootWith = func() *rotation.Manager {
		return rotation.New(rotation.Config{
			SPIRE: spire, Store: l.store, Members: stored, Online: l.roster, Agents: world, Self: world.Self,
			Audit: audit.New(zap.NewNop(), now), Log: zap.NewNop(), Now: now,
		})
	}
	l.boot()
	return l
}

// The fleets that the figures in docs/adr/0029 are of.
var sizes = []int{1_000, 10_000, 50_000}

// BenchmarkLook is a look at a closed gate after one member has told that it is
// through: what Run does for each change while a rotation waits. make bench-core holds
// the growth of its median.
func BenchmarkLook(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%d_members", n), func(b *testing.B) {
			l := waiting(b, n)
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				l.report("c-01", l.names[i%(n-1)], "ca-1", "ca-2") // the last never does
				require.NoError(b, l.m.Look(b.Context()))
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
			require.Equal(b, []string{"prepare ca-2"}, l.spire.Calls())
		})
	}
}

// BenchmarkLookAtEverybody is what each look was before, now one a gate and one in
// ten seconds.
func BenchmarkLookAtEverybody(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%d_members", n), func(b *testing.B) {
			l := waiting(b, n)
			for b.Loop() {
				l.m.Forget()
				require.NoError(b, l.m.Look(b.Context()))
			}
		})
	}
}

func waiting(b *testing.B, n int) *links {
	b.Helper()
	at := time.Now()
	l := newLinks(b, n, func() time.Time { return at })
	_, err := l.m.Start(b.Context(), rotation.Request{Options: ordinary, Actor: "key:test"})
	require.NoError(b, err)
	require.NoError(b, l.m.Look(b.Context()))
	return l
}
