package server_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
)

// busy takes its time before it answers a connection.
type busy struct{ net.Listener }

// Accept implements net.Listener.
func (b busy) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	<-time.After(500 * time.Millisecond)
	return c, err
}

func TestABusyServerIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "zr") //nolint:usetesting // t.TempDir's path is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	socket := filepath.Join(dir, "s.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	require.NoError(t, err)
	srv := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(busy{l}) }()
	t.Cleanup(func() { srv.Stop(); <-done })

	c, err := server.Dial(socket, spiffeid.RequireTrustDomainFromString("mycorp.internal"), zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	require.NoError(t, c.Healthy(t.Context()))
}
