package enrollclient_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// TestAWrongClockIsNamedBeforeATokenIsSpent: the host would be enrolled and its agent
// refused by every certificate.
func TestAWrongClockIsNamedBeforeATokenIsSpent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		controller time.Duration // how far its clock is ahead of ours
		want       string
	}{
		"a day behind":  {24 * time.Hour, "behind the controller's"},
		"a day ahead":   {-24 * time.Hour, "ahead of the controller's"},
		"90 s behind":   {90 * time.Second, "behind the controller's"},
		"90 s ahead":    {-90 * time.Second, "ahead of the controller's"},
		"a second late": {time.Second, ""},
		"half a minute": {30 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startController(t, good)
			f.time = timestamppb.New(time.Now().Add(tc.controller))
			dir := t.TempDir() + "/host"
			_, err := f.client(t).Enroll(t.Context(), request(t, dir, secret))
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "the token is not spent: the clock of this host is")
			require.ErrorContains(t, err, tc.want)
			_, named := errors.AsType[*health.ClockError](err)
			require.True(t, named)
			require.Empty(t, f.keys, "nothing was sent")
			_, err = os.Stat(dir)
			require.ErrorIs(t, err, os.ErrNotExist, "and nothing written")

			_, err = f.client(t).RequestEnrollment(t.Context(), request(t, dir, secret), func(enrollclient.Pending) {})
			require.ErrorContains(t, err, tc.want)
		})
	}
}
