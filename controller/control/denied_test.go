package control

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func denialOf(name string, at time.Time) fleet.Denial {
	return fleet.Denial{Workload: identity.Workload{Kind: identity.KindTunneler, ID: name}, SVIDNotBefore: at}
}

// TestTheNewestDenialOfAMemberIsFound: snapshots append denials to those before, or have
// others.
func TestTheNewestDenialOfAMemberIsFound(t *testing.T) {
	t.Parallel()
	var d denied
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	a, b := denialOf("a", at), denialOf("b", at)
	require.Zero(t, d.before(nil, a.Workload))
	all := append(make([]fleet.Denial, 0, 8), a)
	require.Equal(t, at, d.before(all, a.Workload))
	require.Zero(t, d.before(all, b.Workload))
	more := all
	more = append(more, b, denialOf("a", at.Add(time.Hour)), denialOf("b", at.Add(-time.Hour)))
	require.Equal(t, at.Add(time.Hour), d.before(more, a.Workload))
	require.Equal(t, at, d.before(more, b.Workload), "a later one with an earlier time takes nothing away")
	require.Equal(t, at.Add(time.Hour), d.before(all, a.Workload), "of an older snapshot: what is committed is known")
	others := []fleet.Denial{b}
	require.Zero(t, d.before(others, a.Workload), "those that are over have gone")
	require.Equal(t, at, d.before(others, b.Workload))
	require.Zero(t, d.before(nil, b.Workload))
}

// TestAMessageOfDenialsDoesNotCostAllThatThereAre: each connector gives back up to 8,192,
// in 64 messages.
func TestAMessageOfDenialsDoesNotCostAllThatThereAre(t *testing.T) {
	var d denied
	all := make([]fleet.Denial, 8192)
	for i := range all {
		all[i] = denialOf(fmt.Sprint(i), time.Unix(int64(i), 0))
	}
	require.Equal(t, time.Unix(77, 0), d.before(all, all[77].Workload))
	require.Zero(t, testing.AllocsPerRun(100, func() { d.before(all, all[77].Workload) }))
}
