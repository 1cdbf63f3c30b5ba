package relay_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

const (
	serving    = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
)

// asking is the health service as this SPIFFE ID sees it.
func (w *world) asking(t *testing.T, id string, opts ...mtlstest.Option) healthpb.HealthClient {
	t.Helper()
	own := w.ca.Identity(w.ca.SVID(t, id, opts...))
	conn, err := grpc.NewClient("passthrough:///"+w.addr,
		grpc.WithTransportCredentials(credentials.NewTLS(mtls.ClientConfig(own, mtls.Kinds(td, identity.KindConnector)))))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return healthpb.NewHealthClient(conn)
}

func TestHealthIsForTunnelersThatThePolicyNames(t *testing.T) {
	t.Parallel()
	w, _, stream := linked(t, laptopID)
	got, err := w.asking(t, laptopID).Check(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, serving, got.GetStatus())

	for name, c := range map[string]struct {
		id   string
		code codes.Code
	}{
		"a tunneler that the policy does not name": {phoneID, codes.PermissionDenied},
		"another connector":                        {"spiffe://mycorp.internal/connector/other", codes.Unavailable}, // TLS refuses it
		"a controller":                             {controllerID, codes.Unavailable},
		"a host's agent":                           {"spiffe://mycorp.internal/spire/agent/x509pop/0123456789abcdef0123456789abcdef", codes.Unavailable},
	} {
		t.Run("refused to "+name, func(t *testing.T) {
			client := w.asking(t, c.id)
			_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
			require.Equal(t, c.code, status.Code(err), "%v", err)
			_, err = client.List(t.Context(), &healthpb.HealthListRequest{})
			require.Equal(t, c.code, status.Code(err), "%v", err)
			watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
			if err == nil {
				_, err = watch.Recv()
			}
			require.Equal(t, c.code, status.Code(err), "%v", err)
		})
	}
	t.Run("a watch ends with the revocation", func(t *testing.T) {
		watch, err := w.asking(t, laptopID).Watch(t.Context(), &healthpb.HealthCheckRequest{})
		require.NoError(t, err)
		_, err = watch.Recv()
		require.NoError(t, err)
		stream.policy(t, 2, phoneID)
		_, err = watch.Recv()
		require.Error(t, err)
	})
}

func TestHealthIsRefusedWithoutAPolicy(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	w := startConnector(t, ca, "127.0.0.1:1")
	_, err := w.asking(t, laptopID).Check(t.Context(), &healthpb.HealthCheckRequest{})
	requireStatus(t, err, codes.Unavailable, "no current policy")
}

func TestHealthFollowsReadiness(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	var failing atomic.Bool
	w := startConnector(t, ca, c.addr, func(cfg *relay.Config) {
		cfg.Timing.Drain = time.Minute
		cfg.Failing = func(context.Context) error {
			if failing.Load() {
				return errors.New("identity: expired")
			}
			return nil
		}
	})
	stream := c.next(t)
	stream.hello(t)
	stream.policy(t, 1, laptopID)
	stream.applied(t, 1)
	watch, err := w.asking(t, laptopID).Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "zerotrust.v1.TunnelService"})
	require.NoError(t, err)
	for _, want := range []healthpb.HealthCheckResponse_ServingStatus{serving, notServing, serving} {
		got, err := watch.Recv()
		require.NoError(t, err)
		require.Equal(t, want, got.GetStatus())
		failing.Store(!failing.Load() && want == serving)
	}
	failing.Store(false)
	begin := time.Now()
	w.stop()
	require.Less(t, time.Since(begin), time.Minute/2, "a watcher does not hold the shutdown up; the drain is cut after a minute")
}

func TestExplanationsOfAConnector(t *testing.T) {
	t.Parallel()
	w, c, stream := linked(t, laptopID)
	w.attach(t, "laptop")
	says := w.relay.Explain()
	require.Contains(t, says.Control(), "connected to "+c.addr+" since 20")
	require.Regexp(t, `last heartbeat \d+s ago$`, says.Control())
	require.Equal(t, "revision 1, confirmed by the controller now; without it usable for 24h", says.Policy())
	require.Equal(t, "accepting tunnelers on "+w.addr+", sessions: 1", says.Listener())
	require.Equal(t, "no record of the audit log was witnessed yet", says.Audit())
	stream.hang <- nil
	c.stop()
	require.Eventually(t, func() bool { return w.relay.ControlReady(t.Context()) != nil }, soon, 5*time.Millisecond)
	require.Regexp(t, `^revision 1, last confirmed by a controller \d+s ago, usable for another 2(4h|3h59m\d+s)$`, says.Policy())
}
