package control

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
)

// Admitter says who is enrolled; fleet.Fleet is it.
type Admitter interface {
	AdmitConnector(ctx context.Context, h fleet.Hello, svid identity.Issue) error
	AdmitTunneler(ctx context.Context, h fleet.Hello, svid identity.Issue) error
	// HelloWanted is closed when another hello is wanted, on a new connection.
	HelloWanted(w identity.Workload) <-chan struct{}
}

// Attendance notes who is here; presence.Roster is it.
type Attendance interface {
	ConnectorUp(a presence.Arrival, remoteAddr string, svid presence.SVID) (stream uint64)
	ConnectorBeat(id string, stream uint64, svid presence.SVID, revision uint64)
	// ConnectorRefuses notes why a connector refuses what we send, and says whether it is news.
	ConnectorRefuses(id string, stream uint64, reason string) (news bool)
	ConnectorProved(id string, stream uint64, svid presence.SVID)
	ConnectorDown(id string, stream uint64)
	// ConnectorTrusts notes what a connector says it has in its bundle.
	ConnectorTrusts(id string, authorities []string)
	TunnelerReport(connectorID string, r presence.Report)
	TunnelerProved(id string, stream uint64, svid presence.SVID)
	TunnelerUnproved(id string, stream uint64)
}

// ControlPlane serves ControlPlaneService.
type ControlPlane struct { //nolint:revive // the name of the service
	zerotrustv1.UnimplementedControlPlaneServiceServer
	Fleet     Admitter
	Roster    Attendance
	Policy    Snapshots
	Endpoints func() Endpoints
	// Moved wakes all streams when Endpoints are others; optional.
	Moved Signal
	// PolicyAge is what policies sends; the connector acts on it in policy.maxAge of connector/relay.
	PolicyAge time.Duration
	Audit     AuditLog     // nil: no checkpoints are offered
	Reports   AuditReports // nil: reports of refused sessions are passed over
	Flows     FlowLog      // nil: records of flows are passed over
	// Outdated is called with why a member is refused that speaks another protocol, and of each
	// that speaks ours; optional.
	Outdated func(w identity.Workload, why string)
	// Signer signs denials, and Returns takes them back; without it they are not signed.
	Signer  denial.Signer
	Returns Returns
	// Recall keeps the policy back; nil: never.
	Recall Recall
	// Timeline is which life of the controller this is; nil: the first.
	Timeline func() uint64
	// Recovery says how hosts can know that; nil: they cannot.
	Recovery Recovery
	Patience Patience
	// Failing is why the listener is of no use now, for gRPC health; see rpcauth.HealthConfig.
	Failing func(context.Context) error
	// Stopping is closed when the controller shuts down.
	Stopping <-chan struct{}
	Log      *zap.Logger

	streams   streams
	receiving sync.WaitGroup // goroutines of receive
	refused   refused
	denied    denied
	shared    sync.Once
	updates   updates[policy.Tunneler, *zerotrustv1.PolicyTunneler]
	rules     rules
	denials   denials
}

// share makes what all streams have together.
func (s *ControlPlane) share() {
	s.shared.Do(func() {
		s.updates.subject, s.updates.timeline = policies(s.PolicyAge), s.Timeline
		s.rules.timeline = s.Timeline
		s.denials.by, s.denials.complete = s.Signer, true
		s.denials.message = func(m *zerotrustv1.Denials) proto.Message {
			return &zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Denials{Denials: m}}
		}
	})
}

// policies are what connectors follow. age is how long a connector may use one without a
// controller; zero leaves it to the connector.
func policies(age time.Duration) subject[policy.Tunneler, *zerotrustv1.PolicyTunneler] {
	return subject[policy.Tunneler, *zerotrustv1.PolicyTunneler]{
		removal: memberOf(identity.KindTunneler),
		members: func(s *policy.Snapshot) policy.Members[policy.Tunneler] { return s.Tunnelers },
		entry: func(t policy.Tunneler) *zerotrustv1.PolicyTunneler {
			return &zerotrustv1.PolicyTunneler{
				SpiffeId: t.SPIFFEID.String(), SvidNotBefore: timestamppb.New(t.SVIDNotBefore.Truncate(time.Second)), HostId: string(t.HostID),
			}
		},
		size: func(t *zerotrustv1.PolicyTunneler) int { return proto.Size(t) },
		message: func(h *zerotrustv1.UpdateHeader, c chunk[*zerotrustv1.PolicyTunneler], end *ending) proto.Message {
			p := &zerotrustv1.PolicyUpdate{Header: h, Removals: c.removals, Upserts: c.upserts}
			if end != nil {
				p.IssuedAt, p.ControlPlaneAddresses = timestamppb.New(end.issuedAt), end.addresses
				if age > 0 {
					p.MaxAge = durationpb.New(age)
				}
			}
			return &zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Policy{Policy: p}}
		},
	}
}

// caller is the authenticated peer of a stream.
type caller struct {
	identity.Workload
	conn *mtls.Conn
	svid mtls.SVIDStatus // of the handshake
	addr string
}

func callerOf(ctx context.Context) (caller, error) {
	w, ok := rpcauth.Caller(ctx)
	conn := mtls.ConnOf(ctx)
	if !ok || conn == nil {
		return caller{}, status.Error(codes.Unauthenticated, "no X509-SVID on this connection")
	}
	return caller{Workload: w, conn: conn, svid: conn.OpenedWith(), addr: conn.RemoteAddr().String()}, nil
}
