package rotation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

func TestRotatesTwiceWhileEverybodyStaysConnected(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	connector, tunneler := s.Seen(s.connector), s.Seen(s.tunneler)
	for round := range 2 {
		before := s.active()
		res := s.cli("ca", "rotate", "--yes", "-o", "json")
		require.Zero(t, res.Code, res.Stderr)
		require.Contains(t, res.Stderr, " done, blocked by ")
		r := decode[adminapi.Rotation](t, res.Stdout)
		require.Equal(t, []string{before}, r.Replaces)
		require.Equal(t, "local/root", r.StartedBy)
		t.Logf("rotation %d: %s\n%s", round+1, phases(r), res.Stderr)

		after := s.active()
		for _, h := range []*world.Host{s.connector, s.tunneler} {
			d, err := sessionsOf[any](t.Context(), h, time.Time{})
			require.NoError(t, err)
			require.Equal(t, []string{after}, d.Trusts, "%s trusts no old root", h.ID)
		}
		ca := s.ca()
		require.NotEqual(t, before, after)
		require.Equal(t, []string{after}, trusted(ca), "the old root is gone from the bundle")
		for name, m := range map[string][2]string{
			"connector": {s.Seen(s.connector).SVID.AuthorityID, s.Seen(s.connector).Since.String()},
			"tunneler":  {s.Seen(s.tunneler).SVID.AuthorityID, s.Seen(s.tunneler).Since.String()},
		} {
			require.Equal(t, after, m[0], "%s has an SVID of the new authority", name)
			want := connector.Since
			if name == "tunneler" {
				want = tunneler.Since
			}
			require.Equal(t, want.String(), m[1], "%s is on the same stream", name)
		}
		require.NoError(t, s.connector.Online(t.Context(), s.API))
		require.NoError(t, s.tunneler.Online(t.Context(), s.API))
		require.NoError(t, s.Ready(t.Context()))
	}
	require.Contains(t, s.cli("ca", "status").Stdout, "Last rotation")
}
