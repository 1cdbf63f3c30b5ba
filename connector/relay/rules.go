package relay

import (
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Rules says who may call the RPCs of a connector. Whether this very tunneler may
// is asked of the policy, in Session.
func Rules() rpcauth.Rules {
	tunneler := rpcauth.Allow(identity.KindTunneler)
	return rpcauth.Rules{
		zerotrustv1.TunnelService_Session_FullMethodName: tunneler,
		zerotrustv1.ReproofService_Prove_FullMethodName:  tunneler,
		healthpb.Health_Check_FullMethodName:             tunneler,
		healthpb.Health_List_FullMethodName:              tunneler,
		healthpb.Health_Watch_FullMethodName:             tunneler,
	}
}
