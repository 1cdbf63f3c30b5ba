package relay_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func over(l *bufconn.Listener) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }
}

// TestASessionIsJudgedAgainWhenItRegisters: a policy that came after the session was
// admitted and before its first heartbeat swept the sessions and did not find this
// one. In a bubble, because its connection is closed 20 ms later all the same.
func TestASessionIsJudgedAgainWhenItRegisters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca := mtlstest.NewCA(t, td)
		f := &fakeController{streams: make(chan *fakeStream, 16), served: make(chan struct{})}
		f.server = mtlstest.NewReproofServer(ca.Identity(ca.SVID(t, controllerID)), mtls.Kinds(td, identity.KindConnector))
		zerotrustv1.RegisterControlPlaneServiceServer(f.server, f)
		up, down := bufconn.Listen(64<<10), bufconn.Listen(64<<10)
		go func() { defer close(f.served); _ = f.server.Serve(up) }()
		t.Cleanup(f.stop)
		r, err := relay.New(relay.Config{
			ID: "gw", TrustDomain: td, Identity: ca.Identity(ca.SVID(t, connectorID)), Listener: down, PrivateIP: "10.0.0.7",
			ControlAddresses: []string{"controller:1"}, Dial: over(up), Timing: relay.Timing{Drain: time.Second}, Log: zap.NewNop(),
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
		stream := f.next(t)
		stream.policy(t, 1, laptopID)
		synctest.Wait()

		conn, err := grpc.NewClient("passthrough:///connector", grpc.WithContextDialer(over(down)), grpc.WithTransportCredentials(
			mtls.ClientCredentials(mtls.ClientConfig(ca.Identity(ca.SVID(t, laptopID)), mtls.Kinds(td, identity.KindConnector)))))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
		require.NoError(t, err)
		synctest.Wait() // admitted, and not registered yet
		stream.policy(t, 2, phoneID)
		synctest.Wait() // applied and swept

		began := time.Now()
		requireStatus(t, (&tunnel{TunnelService_SessionClient: s, id: "laptop"}).beat(), codes.PermissionDenied, "revoked")
		require.Zero(t, time.Since(began), "by its heartbeat, not by the end of its connection")
	})
}

// TestAPolicyConfirmedInTheFutureIsNone: the clock was set back, or somebody wrote
// the file. It would be usable for longer than its age.
func TestAPolicyConfirmedInTheFutureIsNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		confirmed time.Duration
		usable    bool
	}{
		"a minute ago":       {-time.Minute, true},
		"a day ago":          {-24 * time.Hour, false},
		"in an hour":         {time.Hour, false},
		"in a hundred years": {100 * 365 * 24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			at := time.Now().Add(c.confirmed).UTC().Format(time.RFC3339)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "policy.json"), []byte(`{"connector":"`+connectorID+`","revision":7,"issued_at":"`+at+
				`","confirmed_at":"`+at+`","tunnelers":[{"spiffe_id":"`+laptopID+`","svid_not_before":"2026-01-02T03:04:05Z"}],"control_plane_addresses":[]}`), 0o600))
			w := startConnector(t, mtlstest.NewCA(t, td), "127.0.0.1:1", withState(dir))
			_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
			if c.usable {
				require.NoError(t, err)
				require.NoError(t, w.relay.PolicyReady(t.Context()))
				return
			}
			requireStatus(t, err, codes.Unavailable, "no current policy")
			require.ErrorContains(t, w.relay.PolicyReady(t.Context()), "revision 7 was last confirmed at")
		})
	}
}
