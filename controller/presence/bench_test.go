package presence_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// BenchmarkFlush is what it costs to store the last-seen times of a fleet of which
// everybody was heard of, a member. make bench-core holds the growth of its median. A sample
// is as many members whatever the fleet: now and then the database copies its log into the
// file, which each flush of 50,000 meets and few of 1,000 do.
func BenchmarkFlush(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			s, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "controller.db"))
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, s.Close()) })
			enrollMany(b, s, n)
			r := presence.NewRoster(time.Now)
			ended, cancel := context.WithCancel(b.Context())
			cancel() // Run flushes once when it ends
			flush := func() {
				b.StopTimer()
				for i := range n {
					r.TunnelerReport(fmt.Sprintf("c-%d", i/10_000), presence.Report{TunnelerID: fmt.Sprintf("t-%06d", i), Version: "v1.2.3", Since: time.Now()})
				}
				b.StartTimer()
				require.NoError(b, r.Run(ended, s, zap.NewNop()))
			}
			flush() // the first one inserts
			b.ResetTimer()
			const sample = 50_000
			var took []float64 // a member
			before, members := b.Elapsed(), 0
			for b.Loop() {
				flush()
				if members += n; members >= sample {
					took = append(took, float64(b.Elapsed()-before)/float64(members))
					before, members = b.Elapsed(), 0
				}
			}
			b.StopTimer()
			if len(took) == 0 { // in a short run
				took = append(took, float64(b.Elapsed()-before)/float64(members))
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2], "p50-ns")
			b.ReportMetric(took[len(took)*99/100], "p99-ns")
			t, err := s.TunnelersByID(b.Context(), []string{fmt.Sprintf("t-%06d", n-1)})
			require.NoError(b, err)
			require.WithinDuration(b, time.Now(), t[0].LastSeenAt, time.Minute)
		})
	}
}

func enrollMany(b *testing.B, s *store.Store, n int) {
	b.Helper()
	at := time.Now().Add(-time.Hour)
	require.NoError(b, s.EnrollTx(b.Context(), func(tx enroll.Tx) error {
		h := fleet.Host{ID: identity.NewHostID(), EnrolledAt: at}
		h.KeyHash = []byte(h.ID)
		if err := tx.PutHost(b.Context(), h); err != nil {
			return err
		}
		for i := range n {
			m := fleet.Member{Workload: tunneler(fmt.Sprintf("t-%06d", i)), HostID: h.ID, Version: "v1", EnrolledAt: at}
			if err := tx.PutMember(b.Context(), m); err != nil {
				return err
			}
		}
		return nil
	}))
}
