package presence_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
)

// ages are those of a few, by size; their median is the lower one of two.
func ages(all ...time.Duration) presence.Ages {
	out := presence.Ages{Online: len(all), At: []time.Duration{all[(len(all)-1)/2], all[len(all)-1]}}
	for _, d := range all {
		out.Sum += d
	}
	return out
}

func TestHeadcount(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	want := func(why string, want presence.Headcount) {
		t.Helper()
		got := r.Headcount(0.5, 1)
		require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty()), why)
	}
	want("nobody", presence.Headcount{})

	one := r.ConnectorUp(presence.Arrival{ID: "c-01"}, "", presence.SVID{})
	two := r.ConnectorUp(presence.Arrival{ID: "c-02"}, "", presence.SVID{})
	want("a connector that has no policy yet lags behind none", presence.Headcount{Connectors: ages(0, 0)})
	r.ConnectorBeat("c-01", one, presence.SVID{}, 7)
	r.ConnectorBeat("c-02", two, presence.SVID{}, 9)
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Since: c.Now()})
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Since: c.Now()})
	c.Advance(5 * time.Second)
	r.ConnectorBeat("c-02", two, presence.SVID{}, 9)
	want("two connectors, and a tunneler with a session at each", presence.Headcount{
		Connectors: ages(0, 5*time.Second), Tunnelers: ages(5 * time.Second), Sessions: 2, OldestPolicy: 7,
	})

	r.ConnectorDown("c-01", one)
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Detached: true})
	want("a connector that left, and a session that ended while the other lives", presence.Headcount{
		Connectors: ages(0), Tunnelers: ages(5 * time.Second), Sessions: 1, OldestPolicy: 9,
	})
	c.Advance(31 * time.Second)
	want("nor who was not heard of", presence.Headcount{})
}
