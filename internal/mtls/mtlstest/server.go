package mtlstest

import (
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

// NewReproofServer returns a server with an mTLS listener and ReproofService.
func NewReproofServer(own reproof.Identity, authorize mtls.Authorizer) *grpc.Server {
	r := reproof.NewServer(reproof.ServerConfig{Identity: own, Conns: mtls.NewConns(64), Log: zap.NewNop()})
	s := grpc.NewServer(r.Options(mtls.ServerConfig(own, authorize))...)
	r.Register(s)
	return s
}
