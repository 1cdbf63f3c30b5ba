package rpcauth

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// Rule says who may call one RPC.
type Rule struct {
	// Public lets anybody call who can reach the listener, with or without an SVID.
	Public bool
	// Kinds of workload that may call, by the SVID of their connection.
	Kinds []identity.Kind
}

// Rules maps a full method ("/zerotrust.v1.TunnelService/Session") to its rule.
// A method without a row is refused.
type Rules map[string]Rule

// Allow is the rule for workloads of these kinds.
func Allow(kinds ...identity.Kind) Rule { return Rule{Kinds: kinds} }

// Public is the rule for RPCs whose credential is in the request.
func Public() Rule { return Rule{Public: true} }

// Interceptors returns the unary and the stream interceptor that enforce the
// rules, put the caller into the context, give the request an id (logging.Request)
// and put that into every error.
func (r Rules) Interceptors(log *zap.Logger) (grpc.UnaryServerInterceptor, grpc.StreamServerInterceptor) {
	refused := newRefusals(log)
	unary := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		requestOf(ctx).arrived()
		ctx = identify(ctx)
		allowed, err := r.authorize(ctx, info.FullMethod, refused)
		if err != nil {
			return nil, withRequestID(ctx, err)
		}
		resp, err := next(allowed, req)
		return resp, withRequestID(ctx, err)
	}
	stream := func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		ctx := identify(ss.Context())
		allowed, err := r.authorize(ctx, info.FullMethod, refused)
		if err != nil {
			return withRequestID(ctx, err)
		}
		return withRequestID(ctx, next(srv, &callerStream{ServerStream: ss, ctx: allowed}))
	}
	return unary, stream
}

func (r Rules) authorize(ctx context.Context, method string, refused *refusals) (context.Context, error) {
	rule, ok := r[method]
	if !ok {
		return nil, refused.note(ctx, method, "no authorization rule")
	}
	if rule.Public {
		return ctx, nil
	}
	id, err := mtls.PeerID(ctx)
	if err != nil {
		return nil, refused.note(ctx, method, err.Error())
	}
	w, err := identity.ParseWorkload(id)
	if err != nil || !slices.Contains(rule.Kinds, w.Kind) {
		return nil, refused.note(ctx, method, id.String())
	}
	return context.WithValue(ctx, callerKey{}, w), nil
}

type callerKey struct{}

// Caller is the workload that calls, as authorized by the interceptor. ok is
// false for a public RPC.
func Caller(ctx context.Context) (w identity.Workload, ok bool) {
	w, ok = ctx.Value(callerKey{}).(identity.Workload)
	return w, ok
}

type callerStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a wrapped stream is how gRPC passes a context on
}

// Context implements grpc.ServerStream.
func (s *callerStream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream.
func (s *callerStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		requestOf(s.ctx).arrived()
	}
	return err
}
