package adversary_test

import (
	"context"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// agent is a SPIRE agent's Workload API that answers what the test says.
type agent struct {
	workload.UnimplementedSpiffeWorkloadAPIServer

	mu      sync.Mutex
	answer  *workload.X509SVIDResponse
	fault   error
	changed chan struct{}
	asked   int
}

// FetchX509SVID implements workload.SpiffeWorkloadAPIServer.
func (a *agent) FetchX509SVID(_ *workload.X509SVIDRequest, stream grpc.ServerStreamingServer[workload.X509SVIDResponse]) error {
	a.mu.Lock()
	a.asked++
	a.mu.Unlock()
	for {
		a.mu.Lock()
		answer, fault, changed := a.answer, a.fault, a.changed
		a.mu.Unlock()
		if fault != nil {
			return fault
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return nil
		}
	}
}

// issue makes svid and these authorities the answer.
func (a *agent) issue(t *testing.T, svid *x509svid.SVID, authorities ...*x509.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(svid.PrivateKey)
	require.NoError(t, err)
	one := &workload.X509SVID{SpiffeId: svid.ID.String(), X509Svid: svid.Certificates[0].Raw, X509SvidKey: key}
	for _, authority := range authorities {
		one.Bundle = append(one.Bundle, authority.Raw...)
	}
	a.set(&workload.X509SVIDResponse{Svids: []*workload.X509SVID{one}}, nil)
}

func (a *agent) set(answer *workload.X509SVIDResponse, fault error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer, a.fault = answer, fault
	if a.changed != nil {
		close(a.changed)
	}
	a.changed = make(chan struct{})
}

func (a *agent) calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// follow serves a and opens a Source of the connector on it.
func (a *agent) follow(t *testing.T) *mtls.Source {
	t.Helper()
	dir, err := os.MkdirTemp("", "wl") //nolint:usetesting // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "api.sock")
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	server := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(server, a)
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(lis) }()
	t.Cleanup(func() { server.Stop(); <-served })
	ctx, cancel := context.WithTimeout(t.Context(), 3*soon)
	defer cancel()
	s, err := mtls.Open(ctx, mtls.SourceConfig{Socket: "unix://" + path, ID: spiffeid.RequireFromString(connectorID), Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// go-spiffe's X509Source ends its watch for good when the agent, on its way down,
// answers CANCELED once (docs/adr/0002); the program then needs a restart, like
// those of ziti #3769 and netbird #1361.
func TestAnAgentThatCancelsTheWatchIsFollowedAgain(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	a := &agent{}
	a.issue(t, ca.SVID(t, connectorID), ca.Authority())
	s := a.follow(t)
	before := a.calls()
	a.set(nil, status.Error(codes.Canceled, "the agent is stopping"))
	eventually(t, "the fault is noticed", func() bool { return s.Fault() != nil })
	next := ca.SVID(t, connectorID)
	a.issue(t, next, ca.Authority())
	eventually(t, "the next SVID", func() bool { return s.Status() == mtls.Describe(next.Certificates[0]) })
	require.Greater(t, a.calls(), before)
}

// ghostunnel #219: the leaf was reloaded and the CA bundle was not, so that a CA
// rotation needed a restart, and an authority that was removed stayed trusted.
func TestTheBundleIsSwappedAsTheLeafIs(t *testing.T) {
	t.Parallel()
	old, next := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
	both := []*x509.Certificate{old.Authority(), next.Authority()}
	peerOf := func(ca *mtlstest.CA) *mtlstest.Identity {
		id := ca.Identity(ca.SVID(t, tunnelerID))
		id.Trust(x509bundle.FromX509Authorities(td, both))
		return id
	}
	admits := func(s *mtls.Source, ca *mtlstest.CA) bool {
		_, err := shake(t, peerOf(ca), s)
		return err == nil
	}
	a := &agent{}
	leaf := old.SVID(t, connectorID)
	a.issue(t, leaf, old.Authority())
	s := a.follow(t)
	require.True(t, admits(s, old))
	require.False(t, admits(s, next))

	a.issue(t, leaf, both...)
	eventually(t, "a peer of the new authority is admitted", func() bool { return admits(s, next) })
	require.True(t, admits(s, old))
	a.issue(t, next.SVID(t, connectorID), next.Authority())
	eventually(t, "a peer of the old one is not any more", func() bool { return !admits(s, old) })
	require.True(t, admits(s, next))
}
