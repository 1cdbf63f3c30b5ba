package policy_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestAPublisherBearsTheFaultsOfItsLog(t *testing.T) {
	t.Parallel()
	changelogtest.Faults(t, func(t *testing.T) changelogtest.Subject {
		t.Helper()
		s, now := newMemory(7), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		var p *policy.Publisher
		return changelogtest.Subject{
			Log: s.Log,
			Start: func() func(context.Context) error {
				p = policy.NewPublisher(td, s, zap.NewNop(), func() time.Time { return now })
				return p.Refresh
			},
			Commit: func() { // one comes, and the one before is revoked
				s.change(func() {
					if n := len(s.tunnelers); n > 0 {
						s.tunnelers[n-1].RevokedAt = now
					}
					s.tunnelers = append(s.tunnelers, fleet.Tunneler{Member: member(identity.KindTunneler, fmt.Sprintf("t-%02d", len(s.tunnelers)), now)})
				})
			},
			Agrees: func(t *testing.T) {
				t.Helper()
				last := len(s.tunnelers) - 1
				for i, it := range s.tunnelers {
					require.Equal(t, i == last, p.Current().Names(it.Workload), it.ID)
				}
				require.Equal(t, s.revision, p.Current().Revision)
			},
		}
	})
}
