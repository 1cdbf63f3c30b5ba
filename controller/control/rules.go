package control

import (
	"strings"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// EnrollmentRules are for the bootstrap listener: whoever reaches it may call, the
// token in the request or the host's signature is the credential.
var EnrollmentRules = rpcauth.Rules{
	zerotrustv1.EnrollmentService_Enroll_FullMethodName:            rpcauth.Public(),
	zerotrustv1.EnrollmentService_RequestEnrollment_FullMethodName: rpcauth.Public(),
	zerotrustv1.EnrollmentService_AwaitEnrollment_FullMethodName:   rpcauth.Public(),
	zerotrustv1.EnrollmentService_FetchBundle_FullMethodName:       rpcauth.Public(),
	// The host's key signs the connection.
	zerotrustv1.EnrollmentService_RenewHostCertificate_FullMethodName: rpcauth.Public(),
	healthv1.Health_Check_FullMethodName:                              rpcauth.Public(),
	// Nobody: a stream that a stranger may hold open, and the names of services.
	healthv1.Health_Watch_FullMethodName: rpcauth.Allow(),
	healthv1.Health_List_FullMethodName:  rpcauth.Allow(),
}

// ControlRules are for the mTLS listener.
var ControlRules = rpcauth.Rules{
	zerotrustv1.ControlPlaneService_Connect_FullMethodName: rpcauth.Allow(identity.KindConnector),
	zerotrustv1.DirectoryService_Watch_FullMethodName:      rpcauth.Allow(identity.KindTunneler),
	zerotrustv1.DirectoryService_Report_FullMethodName:     rpcauth.Allow(identity.KindTunneler),
	zerotrustv1.ReproofService_Prove_FullMethodName:        rpcauth.Allow(identity.KindConnector, identity.KindTunneler),
	healthv1.Health_Check_FullMethodName:                   rpcauth.Allow(identity.KindConnector, identity.KindTunneler),
	healthv1.Health_Watch_FullMethodName:                   rpcauth.Allow(identity.KindConnector, identity.KindTunneler),
	healthv1.Health_List_FullMethodName:                    rpcauth.Allow(identity.KindConnector, identity.KindTunneler),
}

// Caps on what a peer can send in one message.
const (
	maxEnrollMessage  = 64 << 10
	maxControlMessage = wire.MaxFromMember
)

// Traced says which RPCs are a trace each: what enrolls. The streams of the control
// plane live for days, and a span of a heartbeat shows nobody anything.
func Traced(fullMethod string) bool {
	return strings.HasPrefix(fullMethod, "/"+zerotrustv1.EnrollmentService_ServiceDesc.ServiceName+"/")
}
