package core_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// fleet is a running controller with members in its store.
type fleet struct {
	*worldtest.World

	size // of now

	anchors  *x509.CertPool
	enrolled int
	revoked  int
	http     *http.Client // at the admin socket
}

// newFleet has nobody yet.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{World: worldtest.New(t, "--log-level", "warn", "--spire-attestation-limit=false")}
	bulk.EnrollAll(t, f.Controller, nil)
	f.http = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.Run.AdminSocket)
	}}}
	t.Cleanup(f.http.CloseIdleConnections)
	return f
}

// grow restarts the controller with members more, until the fleet is of this size. Those
// that enroll has enrolled are not counted.
func (f *fleet) grow(t *testing.T, n size) {
	t.Helper()
	var more []identity.Workload
	for _, kind := range []struct {
		identity.Kind

		from, to int
	}{{identity.KindConnector, f.streams, n.streams}, {identity.KindTunneler, f.members - f.streams, n.members - n.streams}} {
		for i := kind.from; i < kind.to; i++ {
			more = append(more, identity.Workload{Kind: kind.Kind, ID: bulk.ID(kind.Kind, i)})
		}
	}
	bulk.Add(t, f.Controller, more)
	f.Connect()
	f.http.CloseIdleConnections()
	var err error
	f.anchors, err = bootstrap.LoadAnchors(f.Run.CA)
	require.NoError(t, err)
	f.size = n
	f.settle(t, 0)
}

// settle waits until the controller with so many open streams rests, and its spire-server
// too, which has work for a while after many enrollments: what is measured by the clock
// would wait for the processor.
func (f *fleet) settle(t *testing.T, streams int) {
	t.Helper()
	const look, limit = 2 * time.Second, 3 * time.Minute
	most := .1 + float64(streams)/20_000 // of a core
	var last, lastSPIRE float64
	for begin := time.Now(); time.Since(begin) < limit; {
		before := f.spireCPU(t)
		used, took := f.cost(t, func(t *testing.T) { wait(t, look) })
		last, lastSPIRE = used.Seconds()/took.Seconds(), (f.spireCPU(t)-before).Seconds()/took.Seconds()
		if last < most && lastSPIRE < .1 {
			return
		}
	}
	t.Logf("the controller does not rest: it takes %.2f cores after %s, and spire-server %.2f", last, limit, lastSPIRE)
}

// spireCPU is what the processes that the controller has started have used.
func (f *fleet) spireCPU(t *testing.T) (all time.Duration) {
	t.Helper()
	for _, pid := range world.Children(f.PID()) {
		if used, err := world.CPUTime(pid); err == nil { // it may have ended
			all += used
		}
	}
	return all
}

// resting are shares of a core that the controller takes while nothing changes.
func (f *fleet) resting(t *testing.T) (shares []float64) {
	t.Helper()
	for range f.looks {
		used, took := f.cost(t, func(t *testing.T) { wait(t, f.idle) })
		shares = append(shares, float64(used)/float64(took))
	}
	return shares
}

// cost is the CPU and the time that something takes the controller.
func (f *fleet) cost(t *testing.T, what func(*testing.T)) (cpu, took time.Duration) {
	t.Helper()
	return cost(t, f.PID(), what)
}

func cost(t *testing.T, pid int, what func(*testing.T)) (cpu, took time.Duration) {
	t.Helper()
	before, err := world.CPUTime(pid)
	require.NoError(t, err)
	begin := time.Now()
	what(t)
	took = time.Since(begin)
	after, err := world.CPUTime(pid)
	require.NoError(t, err)
	return after - before, took
}

// enroll enrolls one tunneler more.
func (f *fleet) enroll(t *testing.T) {
	t.Helper()
	f.enrolled++
	id := fmt.Sprintf("new-%d", f.enrolled)
	token, err := f.API.CreateToken(t.Context(), adminapi.TokenRequest{Kind: "tunneler", ID: id})
	require.NoError(t, err)
	secret, err := enrollclient.NewToken(token.Token)
	require.NoError(t, err)
	c, err := enrollclient.New(enrollclient.Config{Address: f.Run.Enrollment, Anchors: f.anchors, TrustDomain: td})
	require.NoError(t, err)
	_, err = c.Enroll(t.Context(), enrollclient.Request{
		Token: secret, Workload: identity.Workload{Kind: identity.KindTunneler, ID: id}, Dir: hostagent.Dir{Root: f.Path(id)},
		Facts: &zerotrustv1.HostFacts{BinaryPath: "/usr/bin/grpctunneler", Uid: 1000, Hostname: id, Version: "v1"},
	})
	require.NoError(t, err)
}

// revoke revokes one that enroll has enrolled.
func (f *fleet) revoke(t *testing.T) {
	t.Helper()
	f.revoked++
	require.NoError(t, f.API.RevokeTunneler(t.Context(), fmt.Sprintf("new-%d", f.revoked)))
}

// read measures GET of each path, in turns, so that what else the machine does falls on
// all of them. The first answers are not counted: they open the connection, and what is
// kept is not there yet.
func (f *fleet) read(t *testing.T, paths ...string) [][]time.Duration {
	t.Helper()
	const first = 3
	took := make([][]time.Duration, len(paths))
	for i := range first + f.reads {
		for at, path := range paths {
			if d := f.get(t, path); i >= first {
				took[at] = append(took[at], d)
			}
		}
	}
	return took
}

func (f *fleet) get(t *testing.T, path string) time.Duration {
	t.Helper()
	begin := time.Now()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil)
	require.NoError(t, err)
	resp, err := f.http.Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, path)
	return time.Since(begin)
}

// memory of the controller, resident.
func (f *fleet) memory(t *testing.T) int {
	t.Helper()
	return memory(t, f.PID())
}

func memory(t *testing.T, pid int) int {
	t.Helper()
	var kib int
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	_, err = fmt.Sscanf(strings.TrimSpace(rest), "%d kB", &kib)
	require.NoError(t, err)
	return kib << 10
}
