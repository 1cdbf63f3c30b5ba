package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/servers"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// The rates of iperf3: the long test has ten rotations of the CA in five minutes.
const (
	rateRotations = 10
	rateEvery     = 30 * time.Second
	measured      = 5 // runs before, for the median
)

// TestAFixedRateThroughRotations: iperf3 sends a quarter of what went through before, while
// the CA is rotated again and again and each SVID lives for a minute. No flow ends, and no
// second has less than half of the rate. The short one, beside other tests on a busy machine,
// has one rotation and does not judge seconds.
func TestAFixedRateThroughRotations(t *testing.T) {
	t.Parallel()
	rotations, pause, probe := 1, time.Duration(0), 1
	if *full {
		rotations, pause, probe = rateRotations, rateEvery, 3
	}
	h := newHouse(t)
	at := hosttest.Address(t)
	h.Start(at, "iperf3", "--server", "--bind", "127.0.0.1", "--port", port(t, at))
	s := newSite(t, "--svid-ttl-connector", "1m", "--svid-ttl-tunneler", "1m") // SPIRE renews at half of it
	s.connect(1, at)
	s.allow("iperf", at)
	path := servers.Tool(t, "iperf3")
	var rates []float64
	for range measured {
		r, err := iperf(t.Context(), path, s.forwards[at], "--time", strconv.Itoa(probe))
		require.NoError(t, err)
		rates = append(rates, r.End.Received.Rate)
	}
	slices.Sort(rates)
	rate := rates[measured/2] / 4

	// It ends by itself a little after the last rotation.
	length := time.Duration(rotations)*pause + 30*time.Second
	var (
		got  report
		lost error
		ran  = make(chan struct{})
	)
	go func() {
		defer close(ran)
		got, lost = iperf(t.Context(), path, s.forwards[at], "--time", strconv.Itoa(int(length.Seconds())), "--bitrate", fmt.Sprintf("%.0f", rate))
	}()
	next := time.NewTicker(max(pause, time.Second))
	defer next.Stop()
	for range rotations {
		<-next.C
		s.rotate()
	}
	<-ran
	require.NoError(t, lost, "a flow ended")
	least := rate
	for _, i := range got.Intervals[:len(got.Intervals)-1] { // the last is a part of a second
		least = min(least, i.Sum.Rate)
	}
	t.Logf("median of %d runs %.2f Gbit/s; %.0f s at %.2f Gbit/s with %d rotations of the CA: the slowest second had %.0f %%",
		measured, rates[measured/2]/1e9, length.Seconds(), rate/1e9, rotations, least/rate*100)
	require.GreaterOrEqual(t, got.End.Received.Seconds, length.Seconds()-2, "it ran to its end")
	if *full {
		require.GreaterOrEqual(t, least, rate/2)
	}
}

type transfer struct {
	Rate    float64 `json:"bits_per_second"`
	Seconds float64
}

// report is what iperf3 prints.
type report struct {
	Error     string
	Intervals []struct{ Sum transfer }
	End       struct {
		Received transfer `json:"sum_received"`
	}
}

// iperf sends to a local listener of the tunneler.
func iperf(ctx context.Context, path, at string, args ...string) (r report, err error) {
	host, fwd, err := net.SplitHostPort(at)
	if err != nil {
		return r, err
	}
	var out bytes.Buffer
	err = command{argv: append([]string{path, "--client", host, "--port", fwd, "--json"}, args...)}.run(ctx, &out)
	if err := errors.Join(err, json.Unmarshal(out.Bytes(), &r)); err != nil {
		return r, fmt.Errorf("%w: %s", err, r.Error)
	}
	if len(r.Intervals) == 0 {
		return r, errors.New("iperf3 has nothing to say")
	}
	return r, nil
}
