package mtls_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
)

// echoes are Flows that send back what comes.
type echoes struct {
	*mtls.Conns

	refuse  error
	running sync.WaitGroup
	below   chan net.Conn
}

func (e *echoes) Opened(c *mtls.Conn) error {
	if e.refuse != nil {
		return e.refuse
	}
	return e.Add(c)
}

func (e *echoes) Socket(c net.Conn) net.Conn {
	e.below <- c
	return c
}

func (e *echoes) Serve(c net.Conn, _ *mtls.Conn) {
	e.running.Go(func() {
		_, _ = io.Copy(c, c)
		_ = c.Close()
	})
}

func TestFlowsShareTheListenerOfGRPC(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	gateway, laptop := ca.Identity(ca.SVID(t, connectorID)), ca.Identity(ca.SVID(t, tunnelerID))
	sessions, flows := mtls.NewConns(8), &echoes{Conns: mtls.NewConns(8), below: make(chan net.Conn, 8)}
	const handshake = 300 * time.Millisecond
	serve := func(f *echoes) (addr string, server *grpc.Server) {
		own := mtls.WithFlows(mtls.ServerCredentials(mtls.ServerConfig(gateway, mtls.Kinds(td, identity.KindTunneler)), sessions.Add), f)
		server = grpc.NewServer(grpc.Creds(rpcauth.Credentials(own)), grpc.ConnectionTimeout(handshake))
		healthpb.RegisterHealthServer(server, health.NewServer())
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		f.running.Go(func() { _ = server.Serve(l) })
		t.Cleanup(func() {
			server.Stop()
			f.CloseMatching(0, func(*mtls.Conn) error { return errors.New("the test ends") })
			f.running.Wait()
		})
		return l.Addr().String(), server
	}
	addr, server := serve(flows)
	client := mtls.ClientConfig(laptop, mtls.Kinds(td, identity.KindConnector))
	dial := func(to string) (net.Conn, *mtls.Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return mtls.DialFlow(ctx, raw, client)
	}

	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(mtls.ClientCredentials(client)))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
	require.NoError(t, err, "gRPC is served as before")
	require.Equal(t, 1, sessions.Len())

	c, of, err := dial(addr)
	require.NoError(t, err)
	require.Equal(t, connectorID, of.Peer().String())
	require.True(t, of.Dialed())
	echo := func() error {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	require.NoError(t, echo())
	require.Equal(t, 1, flows.Len(), "in a set of its own")
	require.Equal(t, 1, sessions.Len())
	require.NotNil(t, <-flows.below)
	far := flows.Of(of.Self())
	require.Len(t, far, 1)
	near, err := of.Derive("EXPORTER-test")
	require.NoError(t, err)
	there, err := far[0].Derive("EXPORTER-test")
	require.NoError(t, err)
	require.Equal(t, near, there)
	require.NotEqual(t, near, of.Exporter())

	<-time.After(2 * handshake)
	require.NoError(t, echo(), "gRPC's deadline of handshakes is gone")
	_ = conn.Close()
	server.GracefulStop()
	require.NoError(t, echo(), "the end of gRPC's server is not that of flows")
	require.Equal(t, 1, flows.CloseMatching(0, func(*mtls.Conn) error { return errors.New("revoked") }))
	require.Error(t, echo())
	_ = c.Close()

	t.Run("a connection that is not admitted is closed", func(t *testing.T) {
		addr, _ := serve(&echoes{Conns: mtls.NewConns(1), refuse: errors.New("no"), below: make(chan net.Conn, 8)})
		c, of, err := dial(addr)
		if err == nil { // the client's part of the handshake is over before the server refuses
			_, err = c.Read(make([]byte, 1))
			of.Close(nil)
		}
		require.Error(t, err)
	})
	t.Run("another key exchange is refused", func(t *testing.T) {
		f := &echoes{Conns: mtls.NewConns(1), below: make(chan net.Conn, 8)}
		addr, _ := serve(f)
		config := client.Clone()
		config.NextProtos, config.CurvePreferences = []string{mtls.FlowALPN}, []tls.CurveID{tls.X25519}
		c, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			_ = c.Close()
		}
		require.Error(t, err)
		require.Zero(t, f.Len())
	})
	t.Run("a listener without flows does not agree", func(t *testing.T) {
		server := mtlstest.NewReproofServer(gateway, mtls.Kinds(td, identity.KindTunneler))
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(l) }()
		_, _, err = dial(l.Addr().String())
		require.ErrorContains(t, err, "no application protocol")
		server.Stop()
		<-done
	})
}
