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

// window is what a peer may send before the server has read it, the least that gRPC has.
const window = 64 << 10

// ServerOptions are the options of every gRPC server of this project, apart from
// its credentials, which are Credentials: the rules, the caps and a keepalive that
// finds a dead peer within 17 s. There may be thousands of connections, and most of them
// say something small every 10 s:
//
//   - The keepalive is later than the heartbeat, so that who beats is not asked too.
//   - The windows are of one size. A window that grows is measured by a ping for each
//     message, which costs as much as the message, and lets one peer fill 16 MiB.
//   - TLS holds what it has read: a buffer above it holds nothing more. A connection
//     that writes takes its buffer out of a pool, and after a change all of them write.
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
			Time: 12 * time.Second, Timeout: 5 * time.Second,
			MaxConnectionIdle: l.Idle, MaxConnectionAge: l.Age, MaxConnectionAgeGrace: l.AgeGrace,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: false}),
		grpc.StaticStreamWindowSize(window), grpc.StaticConnWindowSize(window),
		grpc.ReadBufferSize(0), grpc.WriteBufferSize(4 << 10),
	}
}
