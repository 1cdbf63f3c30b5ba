package rotation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// wellWithin is how soon after an emergency everybody is well, without a human.
const wellWithin = 30 * time.Second

// TestAfterAnEmergencyEverybodyIsWellByItself fails when the wait between taint and
// revoke is taken out: see docs/adr/0007.
func TestAfterAnEmergencyEverybodyIsWellByItself(t *testing.T) {
	t.Parallel()
	for name, prepared := range map[string]bool{"of one authority": false, "of two, one of them only prepared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			if prepared {
				_, err := s.API.Rotate(t.Context(), adminapi.RotationRequest{Offline: "wait"})
				require.NoError(t, err)
				s.until("prepared", func(r adminapi.Rotation) bool { return r.Phase == "prepared" })
				_, err = s.API.AbortRotation(t.Context())
				require.NoError(t, err)
			}
			before := trusted(s.ca())
			was := map[*world.Host]world.Seen{s.connector: s.Seen(s.connector), s.tunneler: s.Seen(s.tunneler)}
			begin := time.Now()
			res := s.cli("ca", "rotate", "--emergency", "--yes", "-o", "json")
			require.Zero(t, res.Code, res.Stderr)
			r := decode[adminapi.Rotation](t, res.Stdout)
			require.ElementsMatch(t, before, r.Replaces)
			left := trusted(s.ca())
			require.Len(t, left, 1)
			for h, old := range was {
				s.Eventually(wellWithin, h.ID+" is well", func(ctx context.Context) error {
					seen, err := h.Seen(ctx, s.API)
					if err == nil && (seen.Status != adminapi.Online || seen.SVID.AuthorityID != left[0]) {
						err = fmt.Errorf("is %s with an SVID of %s", seen.Status, seen.SVID.AuthorityID)
					}
					return err
				})
				require.Equal(t, old.Since, s.Seen(h).Since, "%s kept its stream: nobody was stuck, so the agents heard of the taint", h.ID)
			}
			t.Logf("all well %.1f s after the call, on the streams of before: %s", time.Since(begin).Seconds(), phases(r))
		})
	}
}
