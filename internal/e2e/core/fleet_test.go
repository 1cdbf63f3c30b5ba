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
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/crowd"
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

	size

	anchors  *x509.CertPool
	enrolled int
	revoked  int
	http     *http.Client // at the admin socket
}

func newFleet(t *testing.T, n size) *fleet {
	t.Helper()
	f := &fleet{World: worldtest.New(t, "--log-level", "warn", "--spire-attestation-limit=false"), size: n}
	crowd.EnrollAll(t, f.Controller, map[identity.Kind]int{identity.KindConnector: n.streams, identity.KindTunneler: n.members - n.streams})
	f.Connect()
	var err error
	f.anchors, err = bootstrap.LoadAnchors(f.Run.CA)
	require.NoError(t, err)
	f.http = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.Run.AdminSocket)
	}}}
	t.Cleanup(f.http.CloseIdleConnections)
	f.settle(t)
	return f
}

// settle waits until the controller and its spire-server have registered everybody and
// rest.
func (f *fleet) settle(t *testing.T) {
	t.Helper()
	const look = 3 * time.Second
	most := .05 + float64(f.streams)/20_000 // of a core
	var last float64
	begin := time.Now()
	for time.Since(begin) < 15*time.Minute {
		used, took := f.cost(t, func(t *testing.T) { wait(t, look) })
		if last = used.Seconds() / took.Seconds(); last < most {
			return
		}
	}
	t.Fatalf("the controller does not rest: %.2f cores", last)
}

// resting is the share of a core that the controller takes while nothing changes.
func (f *fleet) resting(t *testing.T) float64 {
	t.Helper()
	used, took := f.cost(t, func(t *testing.T) { wait(t, f.idle) })
	return float64(used) / float64(took)
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

// reads asks the admin API again and again.
func (f *fleet) read(t *testing.T, path string) (took []time.Duration) {
	t.Helper()
	for range f.reads {
		begin := time.Now()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil)
		require.NoError(t, err)
		resp, err := f.http.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		took = append(took, time.Since(begin))
	}
	return took
}

// players open a stream of each connector, from two processes.
func (f *fleet) players(t *testing.T, at string, bare bool) (all []*player) {
	t.Helper()
	half := f.streams / 2
	for i := range 2 {
		all = append(all, start(t, part{Controller: f.Dir, At: at, Bare: bare, From: i * half, N: half}))
	}
	for _, p := range all {
		p.says(t, "open")
	}
	return all
}

// bare measures the CPU of a change, a stream, of a bare gRPC server.
func (f *fleet) bare(t *testing.T, bytes int) time.Duration {
	t.Helper()
	server := start(t, part{Controller: f.Dir, Server: true})
	players := f.players(t, server.says(t, "serves"), true)
	wait(t, f.idle/4)
	cpu, _ := cost(t, server.Process.Pid, func(t *testing.T) {
		for i := range f.changes {
			server.tell(t, "%d %d", 2+i, bytes)
			for _, p := range players {
				p.says(t, "at")
			}
		}
	})
	for _, p := range players {
		p.stop(t)
	}
	server.stop(t)
	return cpu / time.Duration(f.changes*f.streams)
}

// memory of the controller, resident.
func (f *fleet) memory(t *testing.T) int {
	t.Helper()
	var kib int
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.PID()))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	_, err = fmt.Sscanf(strings.TrimSpace(rest), "%d kB", &kib)
	require.NoError(t, err)
	return kib << 10
}
