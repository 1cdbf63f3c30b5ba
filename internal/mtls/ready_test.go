package mtls_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

func TestAnIdentityThatIsOutOfItsTimeNamesTheClock(t *testing.T) {
	t.Parallel()
	issued := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	svid := mtls.SVIDStatus{Issue: identity.Issue{NotBefore: issued.Add(-10 * time.Second)}, NotAfter: issued.Add(5 * time.Minute)}
	away := errors.New("the agent is away")
	for name, tc := range map[string]struct {
		now   time.Time
		fault error
		want  []string // none: it is usable
		light bool     // degraded
	}{
		"the clock is right":           {now: issued.Add(time.Minute)},
		"a day ahead":                  {issued.AddDate(0, 0, 1), nil, []string{"expired at 2026-11-29T12:05:00Z", "by the clock of this host it is 2026-11-30T12:00:00Z"}, false},
		"a day behind":                 {issued.AddDate(0, 0, -1), nil, []string{"valid from 2026-11-29T11:59:50Z on", "by the clock of this host it is 2026-11-28T12:00:00Z"}, false},
		"90 s behind":                  {issued.Add(-90 * time.Second), nil, []string{"valid from", "by the clock of this host it is 2026-11-29T11:58:30Z"}, false},
		"90 s ahead":                   {now: issued.Add(90 * time.Second)},
		"expired, and nobody renews":   {issued.Add(time.Hour), away, []string{"expired at", "the clock of this host", "the agent is away"}, false},
		"not renewed, and still good":  {issued.Add(time.Minute), away, []string{"valid until", "the Workload API fails", "the agent is away"}, true},
		"a day behind, agent is stuck": {issued.AddDate(0, 0, -1), away, []string{"the clock of this host", "the agent is away"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := svid.Usable(tc.now, tc.fault)
			if len(tc.want) == 0 {
				require.NoError(t, err)
				return
			}
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "%!")
			var c health.Checks
			c.Set("identity", err)
			require.Equal(t, tc.light, c.Report(context.Background()).Ready)
		})
	}
}
