package hostagent_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

// link is a network cable: a TCP proxy in front of the SPIRE server that can be
// unplugged.
type link struct {
	address, target string
	wg              sync.WaitGroup
	mu              sync.Mutex
	listener        net.Listener
	conns           []net.Conn
}

func newLink(t *testing.T, target string) *link {
	t.Helper()
	l := &link{address: fmt.Sprintf("127.0.0.1:%d", hosttest.Port(t)), target: target}
	l.plug(t)
	t.Cleanup(l.unplug)
	return l
}

func (l *link) plug(t *testing.T) {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", l.address)
	require.NoError(t, err)
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	l.wg.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			l.wg.Go(func() { l.carry(c) })
		}
	})
}

func (l *link) carry(down net.Conn) {
	defer func() { _ = down.Close() }()
	up, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", l.target)
	if err != nil {
		return
	}
	defer func() { _ = up.Close() }()
	l.mu.Lock()
	l.conns = append(l.conns, down, up)
	l.mu.Unlock()
	var both sync.WaitGroup
	for _, p := range [][2]net.Conn{{up, down}, {down, up}} {
		both.Go(func() {
			_, _ = io.Copy(p[0], p[1])
			_ = p[0].Close()
			_ = p[1].Close()
		})
	}
	both.Wait()
}

func (l *link) unplug() {
	l.mu.Lock()
	_ = l.listener.Close()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
	l.mu.Unlock()
	l.wg.Wait()
}

// The whole path on real SPIRE: attest by x509pop, lose the network, get it back.
func TestRealAgentHealsAfterAPartition(t *testing.T) {
	t.Parallel()
	srv := spiretest.StartServer(t, nil)
	client, err := server.Dial(srv.SocketPath, srv.TrustDomain, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	cable := newLink(t, srv.Address)
	host, dir := identity.NewHostID(), hostagent.Dir{Root: spiretest.TempDir(t)}
	agentID, err := host.AgentID(srv.TrustDomain)
	require.NoError(t, err)
	srv.HostCA.WriteHost(t, host, srv.TrustDomain, dir.Key(), dir.Certificate())
	require.NoError(t, dir.WriteHost(hostagent.Host{HostID: host, TrustDomain: srv.TrustDomain, SPIREServerAddress: cable.address}))
	workload := spiffeid.RequireFromSegments(srv.TrustDomain, "connector", "real")
	require.NoError(t, client.PutEntry(t.Context(), fleet.Entry{
		ID: fleet.EntryIDPrefix + "real", SPIFFEID: workload, ParentID: agentID, X509SVIDTTL: 5 * time.Minute,
		Selectors: []fleet.Selector{{Type: "unix", Value: "uid:0"}},
	}))

	var partition atomic.Bool
	const interval, jitter = 200 * time.Millisecond, 300 * time.Millisecond
	begun := time.Now()
	s := runSupervisor(t, hostagent.Config{
		Dir: dir, Agent: conf.Agent{SocketPath: filepath.Join(dir.Root, "public", "api.sock")}, AgentBinary: spiretest.Binary(t, "spire-agent"),
		Logger: zaptest.NewLogger(t, zaptest.Level(zap.InfoLevel)), ProbeInterval: interval, JitterCap: jitter,
		Fetch: func(ctx context.Context) (hostagent.Bundle, error) {
			if partition.Load() {
				return hostagent.Bundle{}, errors.New("no route to host")
			}
			authorities, err := client.Bundle(ctx)
			return hostagent.Bundle{Authorities: authorities, ServerAddress: cable.address}, err
		},
	}, nil)
	before, err := client.Agent(t.Context(), agentID)
	require.NoError(t, err)
	first := s.Status().Agent
	fetchSVID(t, s, workload)
	start := time.Since(begun) // of an agent, on this machine as busy as it is

	partition.Store(true)
	cable.unplug()
	eventually(t, "the partition is seen", func() bool { return s.Status().FetchError != nil && s.Status().DialError != nil })
	require.Equal(t, first.PID, s.Status().Agent.PID, "an agent that is cut off keeps serving what it has")
	fetchSVID(t, s, workload)

	partition.Store(false)
	cable.plug(t)
	back := time.Now()
	eventually(t, "a restart", func() bool { return s.Status().Restarts == 1 })
	// The agent's own stop and start come on top of the interval and the jitter.
	require.Less(t, time.Since(back), interval+jitter+4*start, "a start took %s", start)
	eventually(t, "health", func() bool { return s.Reason() == "" })
	require.NotEqual(t, first.PID, s.Status().Agent.PID)
	after, err := client.Agent(t.Context(), agentID)
	require.NoError(t, err)
	require.NotEqual(t, before.SerialNumber, after.SerialNumber, "the host attested again")
	fetchSVID(t, s, workload)
	t.Logf("from network to SVID: %s", time.Since(back))
	require.Equal(t, 1, s.Status().Restarts)
}

// An authority that is revoked the moment it was tainted: no agent hears of the
// taint, and left alone it would hand out SVIDs that nobody trusts for half their
// life.
func TestRealAgentFollowsARevocationItMissed(t *testing.T) {
	t.Parallel()
	srv := spiretest.StartServer(t, nil)
	client, err := server.Dial(srv.SocketPath, srv.TrustDomain, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	host, dir := identity.NewHostID(), hostagent.Dir{Root: spiretest.TempDir(t)}
	agentID, err := host.AgentID(srv.TrustDomain)
	require.NoError(t, err)
	srv.HostCA.WriteHost(t, host, srv.TrustDomain, dir.Key(), dir.Certificate())
	require.NoError(t, dir.WriteHost(hostagent.Host{HostID: host, TrustDomain: srv.TrustDomain, SPIREServerAddress: srv.Address}))
	workload := spiffeid.RequireFromSegments(srv.TrustDomain, "connector", "real")
	require.NoError(t, client.PutEntry(t.Context(), fleet.Entry{
		ID: fleet.EntryIDPrefix + "real", SPIFFEID: workload, ParentID: agentID, X509SVIDTTL: 5 * time.Minute,
		Selectors: []fleet.Selector{{Type: "unix", Value: "uid:0"}},
	}))
	s := runSupervisor(t, hostagent.Config{
		Dir: dir, Agent: conf.Agent{SocketPath: filepath.Join(dir.Root, "public", "api.sock")}, AgentBinary: spiretest.Binary(t, "spire-agent"),
		Logger: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)), ProbeInterval: 2 * time.Second, JitterCap: 300 * time.Millisecond,
		Fetch: func(ctx context.Context) (hostagent.Bundle, error) {
			authorities, err := client.Bundle(ctx)
			return hostagent.Bundle{Authorities: authorities, ServerAddress: srv.Address}, err
		},
	}, nil)
	fetchSVID(t, s, workload)

	ca := server.NewAuthorities(client.Conn())
	before, err := ca.Authorities(t.Context())
	require.NoError(t, err)
	old := before.Active.ID
	require.NoError(t, ca.Prepare(t.Context()))
	prepared, err := ca.Authorities(t.Context())
	require.NoError(t, err)
	require.NoError(t, ca.Activate(t.Context(), prepared.Prepared.ID))
	require.NoError(t, ca.Taint(t.Context(), old))
	require.NoError(t, ca.Revoke(t.Context(), old))

	eventually(t, "a restart", func() bool { return s.Status().LastReason == hostagent.AuthorityGone })
	eventually(t, "health", func() bool { return s.Reason() == "" })
	eventually(t, "an SVID of the new authority", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		svid, err := workloadapi.FetchX509SVID(ctx, workloadapi.WithAddr("unix://"+filepath.Join(dir.Root, "public", "api.sock")))
		return err == nil && hex.EncodeToString(svid.Certificates[0].AuthorityKeyId) == prepared.Prepared.ID
	})
}

// fetchSVID gets the workload's identity as a connector does. It retries: an
// entry that is younger than the server's cache arrives with the agent's next sync.
func fetchSVID(t *testing.T, f *fixture, want spiffeid.ID) {
	t.Helper()
	eventually(t, "an SVID", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		svid, err := workloadapi.FetchX509SVID(ctx, workloadapi.WithAddr("unix://"+filepath.Join(f.dir.Root, "public", "api.sock")))
		return err == nil && svid.ID == want
	})
}
