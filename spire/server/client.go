package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
)

const (
	// callTimeout bounds one RPC when the caller's context has no nearer deadline.
	callTimeout = 5 * time.Second
	// pageSize keeps a page of entries far below gRPC's limit of 4 MiB a message, and
	// what is held at once small.
	pageSize = 500
)

// Client talks to one spire-server over its admin socket.
type Client struct {
	td      spiffeid.TrustDomain
	log     *zap.Logger
	conn    *grpc.ClientConn
	entries entryv1.EntryClient
	agents  agentv1.AgentClient
	bundles bundlev1.BundleClient
	health  grpc_health_v1.HealthClient
}

var _ fleet.SPIRE = (*Client)(nil)

// Dial prepares a client for the admin socket at socketPath. It connects at the
// first call, and again whenever the server was away. Access to the socket file
// is the authentication; nothing leaves the machine, hence no TLS.
func Dial(socketPath string, td spiffeid.TrustDomain, log *zap.Logger, more ...grpc.DialOption) (*Client, error) {
	if err := conf.CheckSocketPath(socketPath); err != nil {
		return nil, fmt.Errorf("dial SPIRE server: %w", err)
	}
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socketPath)
	}
	// gRPC's own pause grows to two minutes, and a restarted server is back in
	// half a second. Without MinConnectTimeout an attempt is given up after the pause
	// that would follow it, 100 ms at first, which a busy server needs.
	retry := grpc.ConnectParams{MinConnectTimeout: callTimeout, Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 2 * time.Second}}
	conn, err := grpc.NewClient("passthrough:///spire-server", append(more, grpc.WithContextDialer(dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithConnectParams(retry))...)
	if err != nil {
		return nil, fmt.Errorf("dial SPIRE server: %w", err)
	}
	return &Client{
		td: td, log: log.Named("registrar"), conn: conn,
		entries: entryv1.NewEntryClient(conn), agents: agentv1.NewAgentClient(conn),
		bundles: bundlev1.NewBundleClient(conn), health: grpc_health_v1.NewHealthClient(conn),
	}, nil
}

// Close ends the connection; calls under way fail.
func (c *Client) Close() error { return c.conn.Close() }

// Conn is the connection, for clients of the server's other APIs. Close ends it
// for them too.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// Healthy returns nil when the server answers and says that it serves.
func (c *Client) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("check SPIRE server: %w", err)
	}
	if s := resp.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("check SPIRE server: it says %s", s)
	}
	return nil
}

// domainError turns "not found" into the domain's word for it and leaves other
// errors as they are.
func domainError(err error) error {
	if status.Code(err) == codes.NotFound {
		return fmt.Errorf("%w: %w", fleet.ErrNotFound, err)
	}
	return err
}

// itemError reads the status of one item of a batch.
func itemError(s *types.Status) error {
	return domainError(status.Error(codes.Code(s.GetCode()), s.GetMessage())) //nolint:gosec // codes are small
}

// errNoResult guards against a server that answers a batch of one with none.
var errNoResult = errors.New("SPIRE server gave no result")

func protoID(id spiffeid.ID) *types.SPIFFEID {
	return &types.SPIFFEID{TrustDomain: id.TrustDomain().Name(), Path: id.Path()}
}

func domainID(id *types.SPIFFEID) (spiffeid.ID, error) {
	td, err := spiffeid.TrustDomainFromString(id.GetTrustDomain())
	if err != nil {
		return spiffeid.ID{}, err
	}
	return spiffeid.FromPath(td, id.GetPath())
}
