package metrics_test

import (
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func scrape(t *testing.T, r *metrics.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler(zap.NewNop()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	text, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return string(text)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	r := metrics.New("1.2.3")
	e := r.Events(metrics.ByLabel{Name: "things_total", Help: "Things.", Fixed: metrics.Labels{"of": "us"}, Label: "result", Values: []string{"good", "bad"}})
	e.Add("good")
	e.Add("good")
	e.Add("tunneler/laptop") // would be a series a member
	e.Add("tunneler/phone")
	text := scrape(t, r)
	require.Contains(t, text, `zerotrust_things_total{of="us",result="good"} 2`+"\n")
	require.Contains(t, text, `zerotrust_things_total{of="us",result="bad"} 0`+"\n", "exported before it happens")
	require.Contains(t, text, `zerotrust_things_total{of="us",result="other"} 2`+"\n", "an unknown value adds no series of its own")
	require.NotContains(t, text, "laptop")
	require.Contains(t, text, `zerotrust_build_info{version="1.2.3"} 1`+"\n")
	require.Contains(t, text, "\ngo_goroutines ")
	require.Contains(t, text, "\nprocess_resident_memory_bytes ")
}

func TestDurations(t *testing.T) {
	t.Parallel()
	r := metrics.New("1")
	d := r.Durations(metrics.ByLabel{Name: "work_seconds", Help: "Work.", Label: "step", Values: []string{"read"}}, 0.01, 1)
	d.Observe("read", 20*time.Millisecond)
	d.Observe("read", time.Minute)
	d.Observe("nonsense", time.Second)
	text := scrape(t, r)
	for _, line := range []string{
		`zerotrust_work_seconds_bucket{step="read",le="0.01"} 0`, `zerotrust_work_seconds_bucket{step="read",le="1"} 1`,
		`zerotrust_work_seconds_bucket{step="read",le="+Inf"} 2`, `zerotrust_work_seconds_sum{step="read"} 60.02`,
		`zerotrust_work_seconds_count{step="other"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
}

func TestGaugesAreReadOnceAScrape(t *testing.T) {
	t.Parallel()
	r, reads := metrics.New("1"), 0
	r.Gauges(metrics.ByLabel{Name: "phase", Help: "Phase.", Label: "of", Values: []string{"a", "b"}}, func(set func(string, float64)) {
		reads++
		set("b", 1)
		set("tunneler/laptop", 7)
	})
	text := scrape(t, r)
	for _, line := range []string{`zerotrust_phase{of="a"} 0`, `zerotrust_phase{of="b"} 1`, `zerotrust_phase{of="other"} 7`} {
		require.Contains(t, text, line+"\n")
	}
	require.NotContains(t, text, "laptop")
	require.Equal(t, 1, reads)
}

// TestAFleetIsReadOnceByEachScrape, and has one series a quantile however many members
// there are.
func TestAFleetIsReadOnceByEachScrape(t *testing.T) {
	t.Parallel()
	r, reads := metrics.New("1"), 0
	var connectors metrics.Members
	r.Fleet(func() metrics.Fleet {
		reads++
		return metrics.Fleet{Kinds: map[string]metrics.Members{"connector": connectors, "tunneler": {}}, Sessions: 7, PolicyLag: 2}
	})
	require.Contains(t, scrape(t, r), `zerotrust_heartbeat_age_seconds{kind="connector",quantile="1"} NaN`+"\n", "of nothing")
	require.Equal(t, 1, reads)
	require.Equal(t, []float64{0.5, 0.9, 0.99, 1}, metrics.Quantiles())
	connectors = metrics.Members{
		Enrolled: 300, Online: 200, AgeSum: 20100 * time.Second,
		AgeAt: []time.Duration{100 * time.Second, 180 * time.Second, 198 * time.Second, 200 * time.Second},
	}
	text := scrape(t, r)
	require.Equal(t, 2, reads)
	for _, line := range []string{
		`heartbeat_age_seconds{kind="connector",quantile="0.5"} 100`, `heartbeat_age_seconds{kind="connector",quantile="0.99"} 198`,
		`heartbeat_age_seconds{kind="connector",quantile="1"} 200`,
		`heartbeat_age_seconds_sum{kind="connector"} 20100`, `heartbeat_age_seconds_count{kind="connector"} 200`,
		`members_enrolled{kind="connector"} 300`, `members_enrolled{kind="tunneler"} 0`, `members_online{kind="connector"} 200`,
		"sessions 7", "policy_lag_revisions 2",
	} {
		require.Contains(t, text, "\nzerotrust_"+line+"\n")
	}
}

// identity is a source whose state the test sets.
type identity struct {
	status mtls.SVIDStatus
	swaps  mtls.Swaps
	trusts []*x509.Certificate
	fault  error
}

func (i *identity) Status() mtls.SVIDStatus          { return i.status }
func (i *identity) Swaps() mtls.Swaps                { return i.swaps }
func (i *identity) Authorities() []*x509.Certificate { return i.trusts }
func (i *identity) Fault() error                     { return i.fault }

func TestIdentityIsReadAtEachScrape(t *testing.T) {
	t.Parallel()
	r, id := metrics.New("1"), &identity{}
	r.Identity(id)
	text := scrape(t, r)
	require.Contains(t, text, "zerotrust_svid_not_after_timestamp_seconds 0\n", "no SVID is no year 1754")
	require.Contains(t, text, "zerotrust_bundle_not_after_timestamp_seconds 0\n")

	id.status.NotBefore, id.status.NotAfter = time.Unix(1_700_000_000, 0), time.Unix(1_800_000_000, 0)
	later := func(from, to time.Duration) *x509.Certificate {
		return &x509.Certificate{NotBefore: time.Unix(4_000_000_000, 0).Add(from), NotAfter: time.Unix(4_000_000_000, 0).Add(to)}
	}
	id.trusts = []*x509.Certificate{later(0, 2*time.Second), later(time.Second, 3*time.Second), {NotAfter: time.Unix(1_500_000_000, 0)}}
	id.swaps, id.fault = mtls.Swaps{SVID: 3, Bundle: 2}, errors.New("permission denied")
	text = scrape(t, r)
	for _, line := range []string{
		"zerotrust_svid_not_after_timestamp_seconds 1.8e+09", "zerotrust_svid_swaps_total 3", "zerotrust_bundle_swaps_total 2",
		"zerotrust_bundle_authorities 2", "zerotrust_workload_api_up 0", // of three one has expired
		"zerotrust_svid_not_before_timestamp_seconds 1.7e+09",
		"zerotrust_bundle_not_before_timestamp_seconds 4.000000001e+09", "zerotrust_bundle_not_after_timestamp_seconds 4.000000003e+09",
	} {
		require.Contains(t, text, line+"\n")
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	r := metrics.New("1")
	proofs, up := reproof.Status{}, false
	r.Reproofs(metrics.LinkSession, func() reproof.Status { return proofs })
	r.Reproofs(metrics.LinkControl, func() reproof.Status { return reproof.Status{} })
	r.Connected("directory", func() bool { return up })
	r.Reconnects("directory")("refused")
	r.Reconnects("session")
	proofs, up = reproof.Status{Accepted: 1, Held: 2, Refused: 3, Cut: 4}, true
	for _, tc := range []struct {
		name   string
		labels metrics.Labels
		want   float64
	}{
		{"zerotrust_reproofs_total", metrics.Labels{"link": "session", "result": "accepted"}, 1},
		{"zerotrust_reproofs_total", metrics.Labels{"link": "session", "result": "held"}, 2},
		{"zerotrust_reproofs_total", metrics.Labels{"link": "session", "result": "refused"}, 3},
		{"zerotrust_reproofs_total", metrics.Labels{"link": "control"}, 0},
		{"zerotrust_connections_cut_total", metrics.Labels{"link": "session"}, 4},
		{"zerotrust_stream_connected", metrics.Labels{"stream": "directory"}, 1},
		{"zerotrust_stream_reconnects_total", metrics.Labels{"stream": "directory", "reason": "refused"}, 1},
		{"zerotrust_stream_reconnects_total", metrics.Labels{"stream": "session"}, 0},
	} {
		got, ok := telemetrytest.GatherMetrics(t, r).Value(tc.name, tc.labels)
		require.True(t, ok, "%s %v", tc.name, tc.labels)
		require.InDelta(t, tc.want, got, 0, "%s %v", tc.name, tc.labels)
	}
}
