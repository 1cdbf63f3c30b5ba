package adversary_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/flood"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// connect opens a connection from a loopback address, which says nothing.
func connect(t *testing.T, from string, to net.Addr) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(t.Context(), "tcp", to.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// closed waits until the other end has closed a connection.
func closed(t *testing.T, conn net.Conn) bool {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

// guarded is a gRPC listener with the limits of ours, and health to call.
func guarded(t *testing.T, lis net.Listener, l rpcauth.Limits, more ...grpc.ServerOption) {
	t.Helper()
	rules := rpcauth.Rules{healthv1.Health_Check_FullMethodName: rpcauth.Public()}
	s := grpc.NewServer(append(rpcauth.ServerOptions(rules, l, zap.NewNop()), more...)...)
	healthv1.RegisterHealthServer(s, rpcauth.NewHealth(rpcauth.HealthConfig{}))
	done := make(chan error, 1)
	go func() { done <- s.Serve(lis) }()
	t.Cleanup(func() { s.Stop(); assert.NoError(t, <-done) })
}

// OpenZiti GHSA-q8g9, and our own trial: 20,000 connections of one address held all
// descriptors and 1.8 GB.
func TestOneAddressDoesNotKeepTheOthersOut(t *testing.T) {
	t.Parallel()
	lis := sourcelimit.NewListener(listen(t), sourcelimit.Caps{Most: 20, Anonymous: 10, AnonymousFrom: 8})
	guarded(t, lis, rpcauth.Limits{MaxMessage: 1 << 10, MaxStreams: 1}, grpc.Creds(rpcauth.Credentials(insecure.NewCredentials())))
	honest := connect(t, "127.0.0.2", lis.Addr())
	first := connect(t, "127.0.0.3", lis.Addr())
	for range 40 {
		connect(t, "127.0.0.3", lis.Addr())
	}
	require.True(t, closed(t, first), "the flood makes room for itself")
	conn, err := grpc.NewClient("passthrough:///"+lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return connect(t, "127.0.0.4", lis.Addr()), nil }))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = healthv1.NewHealthClient(conn).Check(patient(t), &healthv1.HealthCheckRequest{})
	require.NoError(t, err, "a newcomer of another address")
	all, anonymous := lis.Open()
	require.LessOrEqual(t, anonymous, 10)
	require.Equal(t, all, anonymous)
	_, err = honest.Write(flood.Hello())
	require.NoError(t, err)
	_, err = honest.Read(make([]byte, 1))
	require.NoError(t, err, "one that was there before the flood")
}

// A site behind NAT: whoever is authenticated does not count for the address.
func TestAHerdBehindOneAddressComesIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	lis := sourcelimit.NewListener(listen(t), sourcelimit.Caps{Most: 20, Anonymous: 4, AnonymousFrom: 2})
	own := w.svid(t, controllerID)
	guarded(t, lis, rpcauth.Limits{MaxMessage: 1 << 10, MaxStreams: 1},
		grpc.Creds(rpcauth.Credentials(mtls.ServerCredentials(mtls.ServerConfig(own, anyKind)))))
	var links []*mtls.Conn
	for i := range 8 {
		conn, opened := dial(t, lis.Addr(), w.svid(t, fmt.Sprintf("spiffe://mycorp.internal/connector/gw-%d", i)))
		_, err := healthv1.NewHealthClient(conn).Check(patient(t), &healthv1.HealthCheckRequest{})
		require.NoError(t, err)
		links = append(links, <-opened)
	}
	for _, link := range links {
		require.NoError(t, link.Reason(), "it was cut for a later one")
	}
	require.Zero(t, lis.Closed(sourcelimit.ReasonAddress))
}

// CVE-2023-44487: streams that are reset at once cost the server and not the client.
func TestRapidResetsCutTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	anchors, err := bootstrap.LoadAnchors(w.ca.CertificatePath())
	require.NoError(t, err)
	c := bootstrap.ClientConfig(anchors, td, nil)
	c.NextProtos = []string{"h2"}
	conn := tls.Client(connect(t, "127.0.0.1", w.door.Addr()), c)
	_, err = conn.Write(flood.Hello())
	require.NoError(t, err)
	go func() {
		for id := uint32(1); id < 200_000; id += 2 {
			if _, err := conn.Write(append(flood.Headers(id, zerotrustv1.EnrollmentService_Enroll_FullMethodName), flood.Reset(id)...)); err != nil {
				return
			}
		}
	}()
	require.True(t, closed(t, conn))
}

// OpenZiti GHSA-j952: a request that never comes held a stream of a stranger for ever.
func TestACallWithoutItsRequestEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := bufferedConn(t, rpcauth.Limits{MaxMessage: 1 << 10, MaxStreams: 1})
		begin := time.Now()
		_, err := conn.Write(append(flood.Hello(), flood.Headers(1, healthv1.Health_Check_FullMethodName)...))
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(begin.Add(time.Minute)))
		require.True(t, answered(conn, 1), "it is still waited for")
		require.LessOrEqual(t, time.Since(begin), 11*time.Second)
	})
}

// A connection that is of no use to anybody is not held.
func TestAnIdleConnectionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := bufferedConn(t, rpcauth.Limits{MaxMessage: 1 << 10, MaxStreams: 1, Idle: 5 * time.Second})
		begin := time.Now()
		_, err := conn.Write(flood.Hello())
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(begin.Add(time.Minute)))
		require.True(t, answered(conn, goodbye), "it is kept")
	})
}

// bufferedConn is a connection to a listener in a synctest bubble.
func bufferedConn(t *testing.T, l rpcauth.Limits) net.Conn {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	guarded(t, lis, l, grpc.Creds(rpcauth.Credentials(insecure.NewCredentials())))
	conn, err := lis.Dial()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// goodbye stands for the GOAWAY of a connection, which is on stream 0.
const goodbye = -1

// answered reads frames until the server has answered or reset a stream, or said
// goodbye.
func answered(conn net.Conn, stream int) bool {
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			return false
		}
		if _, err := io.CopyN(io.Discard, conn, int64(head[0])<<16|int64(head[1])<<8|int64(head[2])); err != nil {
			return false
		}
		const headers, reset, goAway = 1, 3, 7
		if stream == goodbye && head[3] == goAway || int(head[8]) == stream && (head[3] == headers || head[3] == reset) {
			return true
		}
	}
}

// In our own trial one tunneler opened 23,436 sessions in 10 s, and 11 MB of log.
func TestAPeerOpensNoMoreStreamsThanItHasUseFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler)
	g := w.gateway(t)
	conn, _ := dial(t, g.addr, w.svid(t, tunnelerID))
	refused := 0
	for range 200 {
		ctx, cancel := context.WithCancel(patient(t))
		s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
		if err == nil {
			n := &tunnel{TunnelService_SessionClient: s}
			err = n.beat()
		}
		cancel()
		if status.Code(err) == codes.ResourceExhausted {
			refused++
		}
	}
	require.Positive(t, refused)
}

// An enrolled peer that comes back again and again costs a handshake each time.
func TestAPeerConnectsNoMoreOftenThanItHasUseFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	lis := sourcelimit.NewListener(listen(t), sourcelimit.Caps{Most: 1000, Anonymous: 200, AnonymousFrom: 200})
	guarded(t, lis, rpcauth.Limits{MaxMessage: 1 << 10, MaxStreams: 1},
		grpc.Creds(rpcauth.Credentials(mtls.ServerCredentials(mtls.ServerConfig(w.svid(t, controllerID), anyKind)))))
	own := mtls.ClientConfig(w.svid(t, tunnelerID), mtls.Kinds(td, identity.KindController))
	own.NextProtos = []string{"h2"}
	for range 80 {
		conn := tls.Client(connect(t, "127.0.0.1", lis.Addr()), own)
		_ = conn.HandshakeContext(patient(t))
		_ = conn.Close()
	}
	eventually(t, "it is not let in any more", func() bool { return lis.Closed(sourcelimit.ReasonFlood) > 0 })
}
