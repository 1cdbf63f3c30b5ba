package control_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
)

// TestAStrangersConnectionEnds: nobody at the enrollment listener is authenticated, so
// no connection stays, however busy it is kept.
func TestAStrangersConnectionEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		every time.Duration // between two calls
		calls int
	}{
		"15 s after its last call":        {20 * time.Second, 2},
		"after half an hour of its calls": {10 * time.Second, 6*33 + 1}, // gRPC adds up to a tenth
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, plainly, func(t *testing.T, w *world) {
				dials := 0
				conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(credentials.NewTLS(bootstrap.ClientConfig(w.anchors(), td, nil))),
					grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
						dials++ // one at a time
						return w.memory.DialContext(ctx)
					}))
				require.NoError(t, err)
				defer func() { _ = conn.Close() }()
				for i := range c.calls {
					if i > 0 {
						<-time.After(c.every) // of a synctest bubble
					}
					_, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{}, grpc.WaitForReady(true))
					require.NoError(t, err)
				}
				require.Equal(t, 2, dials)
			})
		})
	}
}
