package api_test

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// BenchmarkListsBySize asks the handlers of the API, without the limit of requests that a
// connection has, on the real store with n connectors and as many
// tunnelers, nine in ten of the former ONLINE. settings is the yardstick: a reply without
// any look at the fleet, so what authentication and this machine cost. Processor
// time is what is compared, which a busy machine does not change; all but the last two may
// grow by at most 1.3 from 1,000 to 50,000.
func BenchmarkListsBySize(b *testing.B) {
	small := map[string]float64{}
	for _, n := range []int{1_000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			r := newReal(b, b.TempDir(), n)
			require.NoError(b, r.Series.Sample(b.Context())) // reads the rows, as soon after a start
			middle := pageInTheMiddle(b, r, n)
			for _, bm := range []struct {
				name, path string
				change     bool
			}{
				{name: "settings (yardstick)", path: "/settings"},
				{name: "status", path: "/status"},
				{name: "connectors, first page", path: "/connectors"},
				{name: "connectors, a page in the middle", path: "/connectors?sort=-enrolled_at&page_token=" + middle},
				{name: "connectors, OFFLINE by version", path: "/connectors?status=OFFLINE&sort=-version"},
				{name: "hosts, first page", path: "/hosts"},
				{name: "networks", path: "/networks"},
				{name: "connectors, after a change", path: "/connectors", change: true},
				{name: "connectors, last seen first", path: "/connectors?sort=-last_seen"},
				{name: "connectors, search", path: "/connectors?q=c-00777&sort=-version"},
			} {
				b.Run(bm.name, func(b *testing.B) {
					require.Equal(b, http.StatusOK, get(b, r.Env, "/api/admin"+bm.path).Code) // the first one reads the rows
					times, began := 0, cpu()
					for b.Loop() {
						if bm.change {
							r.change(b)
						}
						require.Equal(b, http.StatusOK, get(b, r.Env, "/api/admin"+bm.path).Code)
						times++
					}
					each := float64((cpu() - began).Microseconds()) / float64(times) / 1000
					if n == 1_000 {
						small[bm.name] = each
					}
					b.ReportMetric(each, "cpu-ms/op")
					b.ReportMetric(each/small[bm.name], "x-of-1000")
				})
			}
		})
	}
}

// cpu is the time that this process has worked.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // it cannot fail with these arguments
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// pageInTheMiddle is the token of one, of the newest first.
func pageInTheMiddle(b *testing.B, r *realAPI, n int) (token string) {
	b.Helper()
	for range n / 2 / 500 {
		w := get(b, r.Env, "/api/admin/connectors?sort=-enrolled_at&page_size=500&page_token="+token)
		require.Equal(b, http.StatusOK, w.Code)
		token = decode[adminapi.ConnectorList](b, w).NextPageToken
	}
	return token
}
