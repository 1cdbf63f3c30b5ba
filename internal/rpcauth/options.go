package rpcauth

import (
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// Limits cap what a peer can make a server hold.
type Limits struct {
	// MaxMessage is the largest request message in bytes.
	MaxMessage int
	// MaxStreams is how many RPCs one connection may have open.
	MaxStreams uint32
	// Idle closes a connection without an RPC; Age, if there is one, ends every
	// connection gracefully, and with what still runs after AgeGrace.
	Idle, Age, AgeGrace time.Duration
}

// ServerOptions are the options of every gRPC server of this project, apart from
// its credentials, which are Credentials: the rules, the caps and a keepalive that
// finds a dead peer within 15 s.
func ServerOptions(r Rules, l Limits, log *zap.Logger) []grpc.ServerOption {
	unary, stream := r.Interceptors(log)
	return []grpc.ServerOption{
		grpc.InTapHandle(newArrivals(r).begin),
		grpc.UnaryInterceptor(unary),
		grpc.StreamInterceptor(stream),
		grpc.MaxRecvMsgSize(l.MaxMessage),
		grpc.MaxConcurrentStreams(l.MaxStreams),
		grpc.MaxHeaderListSize(8 << 10),
		grpc.ConnectionTimeout(10 * time.Second), // a handshake that takes longer is cut
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: 10 * time.Second, Timeout: 5 * time.Second,
			MaxConnectionIdle: l.Idle, MaxConnectionAge: l.Age, MaxConnectionAgeGrace: l.AgeGrace,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: false}),
		// Thousands of mostly idle streams: small buffers.
		grpc.ReadBufferSize(4 << 10), grpc.WriteBufferSize(16 << 10),
	}
}
