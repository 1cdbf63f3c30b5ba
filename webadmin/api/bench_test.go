package api_test

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// requestsAConnection is less than what internal/sourcelimit lets one connection ask at once.
const requestsAConnection = 500

// BenchmarkAdmin asks the API over HTTP, on the real store with 10,000 connectors
// and as many tunnelers, 9,000 of the former ONLINE. settings is the yardstick: a
// reply without any look at the fleet, so what HTTP, authentication and this machine
// cost. "after a change" is the worst case: the rows are read again.
func BenchmarkAdmin(b *testing.B) {
	r := newReal(b, b.TempDir(), 10_000)
	r.Run(b)
	connect := func() *http.Client {
		transport := &http.Transport{MaxIdleConnsPerHost: 4}
		b.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	for _, bm := range []struct {
		name, path string
		change     bool
	}{
		{name: "settings (yardstick)", path: "/settings"},
		{name: "status", path: "/status"},
		{name: "connectors, first page", path: "/connectors"},
		{name: "connectors, last seen first", path: "/connectors?sort=-last_seen"},
		{name: "connectors, search", path: "/connectors?q=c-0777&sort=-version"},
		{name: "connectors, 500 a page", path: "/connectors?page_size=500"},
		{name: "hosts, first page", path: "/hosts"},
		{name: "connectors, after a change", path: "/connectors", change: true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			client := connect()
			fetch(b, r, client, bm.path) // the first one reads the rows
			var took []time.Duration
			for b.Loop() {
				if len(took)%requestsAConnection == requestsAConnection-1 {
					b.StopTimer()
					client = connect()
					fetch(b, r, client, bm.path)
					b.StartTimer()
				}
				if bm.change {
					b.StopTimer()
					r.change(b)
					b.StartTimer()
				}
				began := time.Now()
				fetch(b, r, client, bm.path)
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
			b.ReportMetric(at(0.5), "p50-ms")
			b.ReportMetric(at(0.99), "p99-ms")
		})
	}
}

func fetch(b *testing.B, r *realAPI, client *http.Client, path string) {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, r.URL+"/api/admin"+path, nil)
	require.NoError(b, err)
	req.Header.Set("Authorization", "Bearer "+r.Key)
	resp, err := client.Do(req)
	require.NoError(b, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(b, err)
	require.NoError(b, resp.Body.Close())
	require.Equal(b, http.StatusOK, resp.StatusCode)
}

// change is one that every list shows.
func (r *realAPI) change(b *testing.B) {
	w := identity.Workload{Kind: identity.KindTunneler, ID: "t-00001"}
	require.NoError(b, r.store.EnrollTx(b.Context(), func(tx enroll.Tx) error {
		m, err := tx.Member(b.Context(), w)
		if err != nil {
			return err
		}
		return tx.PutMember(b.Context(), fleet.Member{Workload: w, HostID: m.HostID, EnrolledAt: m.EnrolledAt})
	}))
}
