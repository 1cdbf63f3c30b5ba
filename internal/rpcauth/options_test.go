package rpcauth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
)

// TestAConnectionEnds: an idle one, and every one in the end, whatever it is used for.
func TestAConnectionEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limits rpcauth.Limits
		every  time.Duration // between two calls
		calls  int
		dials  int32
	}{
		"that is idle":                 {rpcauth.Limits{Idle: 15 * time.Second}, 20 * time.Second, 3, 3},
		"that is old and in use":       {rpcauth.Limits{Idle: 15 * time.Second, Age: time.Minute}, 10 * time.Second, 10, 2},
		"never, while it is used":      {rpcauth.Limits{Idle: 15 * time.Second}, 10 * time.Second, 20, 1},
		"never, where nothing says so": {rpcauth.Limits{}, 20 * time.Minute, 5, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.limits.MaxMessage, c.limits.MaxStreams = 1<<10, 8
				client, dials := checked(t, c.limits)
				for range c.calls {
					_, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{})
					require.NoError(t, err)
					<-time.After(c.every) // of a synctest bubble
				}
				require.Equal(t, c.dials, dials.Load())
			})
		})
	}
	t.Run("that is old, with the stream on it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			client, _ := checked(t, rpcauth.Limits{MaxMessage: 1 << 10, MaxStreams: 8, Age: time.Minute, AgeGrace: 10 * time.Second})
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			stream, err := client.Watch(ctx, &healthv1.HealthCheckRequest{})
			for err == nil {
				_, err = stream.Recv()
			}
			require.InDelta(t, 70, time.Since(began).Seconds(), 10, "gRPC varies the age by a tenth")
		})
	})
}

// checked is a client of a server with these limits, in memory, and how often it dialed.
func checked(t *testing.T, limits rpcauth.Limits) (healthv1.HealthClient, *atomic.Int32) {
	t.Helper()
	l, dials := bufconn.Listen(64<<10), &atomic.Int32{}
	open := rpcauth.Rules{healthv1.Health_Check_FullMethodName: rpcauth.Public(), healthv1.Health_Watch_FullMethodName: rpcauth.Public()}
	server := grpc.NewServer(rpcauth.ServerOptions(open, limits, zap.NewNop())...)
	healthv1.RegisterHealthServer(server, health.NewServer())
	over := make(chan error, 1)
	go func() { over <- server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			dials.Add(1)
			return l.DialContext(ctx)
		}))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		server.Stop()
		require.NoError(t, <-over)
	})
	return healthv1.NewHealthClient(conn), dials
}

// shaken are credentials whose handshakes have succeeded.
type shaken struct {
	credentials.TransportCredentials

	leaf *x509.Certificate
}

func (s *shaken) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	chain := []*x509.Certificate{s.leaf}
	return c, credentials.TLSInfo{State: tls.ConnectionState{PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}}, nil
}

// TestAnIdentityCannotConnectWithoutEnd: one SVID in a loop of handshakes would keep
// the processor from all others.
func TestAnIdentityCannotConnectWithoutEnd(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("mycorp.internal"))
	leaf := func(id string) *x509.Certificate {
		return ca.SVID(t, "spiffe://mycorp.internal/connector/"+id).Certificates[0]
	}
	greedy, other := leaf("greedy"), leaf("other")
	synctest.Test(t, func(t *testing.T) {
		of := &shaken{}
		creds := rpcauth.Credentials(of)
		connect := func(by *x509.Certificate) error {
			of.leaf = by
			near, far := net.Pipe()
			defer func() { _, _ = near.Close(), far.Close() }()
			_, _, err := creds.ServerHandshake(far)
			if err != nil {
				_, gone := near.Write([]byte{0})
				require.ErrorIs(t, gone, io.ErrClosedPipe, "the connection is closed")
			}
			return err
		}
		for range 60 {
			require.NoError(t, connect(greedy))
		}
		require.Error(t, connect(greedy))
		require.NoError(t, connect(other), "somebody else")
		<-time.After(time.Second) // of a synctest bubble
		require.NoError(t, connect(greedy), "later")
		require.Error(t, connect(greedy))
	})
}
