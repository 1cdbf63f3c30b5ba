package fleet_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

func TestHeadcount(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := fleet.NewRoster(c.Now)
	want := func(why string, want fleet.Headcount) {
		t.Helper()
		got := r.Headcount()
		slices.Sort(got.Connectors)
		require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty()), why)
	}
	want("nobody", fleet.Headcount{})

	one := r.ConnectorUp(fleet.Hello{ID: "c-01"}, "", fleet.SVID{})
	two := r.ConnectorUp(fleet.Hello{ID: "c-02"}, "", fleet.SVID{})
	want("a connector that has no policy yet lags behind none", fleet.Headcount{Connectors: []time.Duration{0, 0}})
	r.ConnectorBeat("c-01", one, fleet.SVID{}, 7)
	r.ConnectorBeat("c-02", two, fleet.SVID{}, 9)
	r.TunnelerReport("c-01", fleet.Report{TunnelerID: "t-01", Since: c.Now()})
	r.TunnelerReport("c-02", fleet.Report{TunnelerID: "t-01", Since: c.Now()})
	c.Advance(5 * time.Second)
	r.ConnectorBeat("c-02", two, fleet.SVID{}, 9)
	want("two connectors, and a tunneler with a session at each", fleet.Headcount{
		Connectors: []time.Duration{0, 5 * time.Second}, Tunnelers: []time.Duration{5 * time.Second}, Sessions: 2, OldestPolicy: 7,
	})

	r.ConnectorDown("c-01", one)
	r.TunnelerReport("c-02", fleet.Report{TunnelerID: "t-01", Detached: true})
	want("a connector that left, and a session that ended while the other lives", fleet.Headcount{
		Connectors: []time.Duration{0}, Tunnelers: []time.Duration{5 * time.Second}, Sessions: 1, OldestPolicy: 9,
	})
	c.Advance(31 * time.Second)
	want("nor who was not heard of", fleet.Headcount{})
}
