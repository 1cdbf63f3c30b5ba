package membudget_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// BenchmarkGarbage is what is resident of a directory stream while changes are sent, and
// what the collections cost, by GOGC: ADR 0036 is about it. It takes a while, whatever
// -benchtime says.
func BenchmarkGarbage(b *testing.B) {
	const streams, collections = 300, 5
	ca := mtlstest.NewCA(b, td)
	f := newFleet(b)
	f.enroll(b, identity.KindTunneler, streams)
	require.NoError(b, f.policy.Refresh(b.Context()))
	clients := peersOf(b, ca, f.serve(b, ca), identity.KindController, identity.KindTunneler, streams)
	used()
	without := resident(b)
	clients.start(b)
	changes := 0
	for _, percent := range []int{100, 50, 100, 50} {
		b.Run(fmt.Sprintf("GOGC=%d", percent), func(b *testing.B) {
			defer debug.SetGCPercent(debug.SetGCPercent(percent))
			used()
			first, began, most := changes, collecting(), 0
			for until := numGC() + collections; numGC() < until; {
				f.change(b, changes)
				changes++
				most = max(most, resident(b))
			}
			b.ReportMetric(float64(most-without)/streams, "resident-bytes/stream")
			b.ReportMetric(float64((collecting()-began).Nanoseconds())/float64((changes-first)*streams), "gc-cpu-ns/stream-and-change")
			b.ReportMetric(float64(changes-first)/collections, "changes/collection")
		})
	}
}

// change enrolls a connector, of which all tunnelers hear.
func (f *fleetOf) change(b *testing.B, i int) {
	b.Helper()
	w := identity.Workload{Kind: identity.KindConnector, ID: fmt.Sprintf("more-%06d", i)}
	host := mtlstest.HostOf(w.String())
	agent, err := host.AgentID(td)
	require.NoError(b, err)
	at := time.Now().Add(-time.Minute)
	require.NoError(b, f.store.EnrollTx(b.Context(), func(tx enroll.Tx) error {
		if err := tx.PutHost(b.Context(), fleet.Host{ID: host, AgentID: agent, KeyHash: []byte(host), EnrolledAt: at}); err != nil {
			return err
		}
		if err := tx.PutMember(b.Context(), fleet.Member{Workload: w, HostID: host, EnrolledAt: at}); err != nil {
			return err
		}
		return tx.BumpPolicy(b.Context())
	}))
	require.NoError(b, f.policy.Refresh(b.Context()))
}

func numGC() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}

// collecting is the processor time of all collections so far.
func collecting() time.Duration {
	s := []metrics.Sample{{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/dedicated:cpu-seconds"}}
	metrics.Read(s)
	return time.Duration((s[0].Value.Float64() + s[1].Value.Float64()) * float64(time.Second))
}

// resident is the memory of this process.
func resident(tb testing.TB) (bytes int) {
	tb.Helper()
	text, err := os.ReadFile("/proc/self/status")
	require.NoError(tb, err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	_, err = fmt.Sscan(rest, &bytes)
	require.NoError(tb, err)
	return bytes << 10
}
