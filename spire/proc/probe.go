package proc

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Patience is how long an answer may take before a SPIRE program counts as down. An agent
// attests who asks, which takes 2 s on a busy host of two cores.
const Patience = 5 * time.Second

// Serving asks the gRPC health service on a Unix socket, as `spire-server
// healthcheck` and `spire-agent healthcheck` do. An agent serves this on its
// Workload API socket from the moment it has attested, and answers by fetching
// from its own Workload API.
func Serving(ctx context.Context, socketPath string) error {
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socketPath)
	}
	conn, err := grpc.NewClient("passthrough:///spire", grpc.WithContextDialer(dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("health check on %s: %w", socketPath, err)
	}
	defer func() { _ = conn.Close() }()
	resp, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("health check on %s: %w", socketPath, err)
	}
	if s := resp.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("health check on %s: it says %s", socketPath, s)
	}
	return nil
}
