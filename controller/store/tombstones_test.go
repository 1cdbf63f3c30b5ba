package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
)

// TestATombstoneEndsWithTheLastCertificate: a restored database may know one that was
// renewed since, and the host could attest with the other.
func TestATombstoneEndsWithTheLastCertificate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	early, late, never := now.Add(time.Hour), now.Add(48*time.Hour), time.Time{}
	agent := spiffeid.RequireFromString("spiffe://mycorp.internal/spire/agent/x509pop/h")
	for name, c := range map[string]struct{ first, second, want time.Time }{
		"later":            {early, late, late},
		"earlier":          {late, early, late},
		"an unknown end":   {early, never, never},
		"after an unknown": {never, early, never},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "controller.db"))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			require.NoError(t, s.FleetTx(t.Context(), func(tx fleet.Tx) error {
				for _, until := range []time.Time{c.first, c.second} {
					if err := tx.Bury(t.Context(), fleet.Tombstone{HostID: "h", AgentID: agent, Until: until}, now); err != nil {
						return err
					}
				}
				return nil
			}))
			got, err := s.Tombstones(t.Context(), "", 9, now)
			require.NoError(t, err)
			require.Equal(t, []fleet.Tombstone{{HostID: "h", AgentID: agent, Until: c.want}}, got)
		})
	}
}
