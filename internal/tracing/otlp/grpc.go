package otlp

import (
	"context"
	"crypto/tls"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/stats"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
)

func newTLS(t *tls.Config) credentials.TransportCredentials { return credentials.NewTLS(t) }

// ServerOptions make a trace of each RPC whose full method begins is true for. A
// stream that lives for days is no trace; its messages are none either.
func (p *Provider) ServerOptions(begins func(fullMethod string) bool) []grpc.ServerOption {
	if p.sdk == nil {
		return nil
	}
	return []grpc.ServerOption{grpc.StatsHandler(withLog{otelgrpc.NewServerHandler(append(p.otelgrpc(),
		otelgrpc.WithFilter(func(i *stats.RPCTagInfo) bool { return begins(i.FullMethodName) }))...)})}
}

// withLog has the lines of the log name the trace.
type withLog struct{ stats.Handler }

// TagRPC implements stats.Handler.
func (w withLog) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	ctx = w.Handler.TagRPC(ctx, i)
	return logging.WithRequest(ctx, logging.Request{TraceID: tracing.TraceID(ctx)})
}

// DialOptions make a span of each RPC that belongs to a trace.
func (p *Provider) DialOptions() []grpc.DialOption {
	if p.sdk == nil {
		return nil
	}
	return []grpc.DialOption{grpc.WithStatsHandler(belowTrace{otelgrpc.NewClientHandler(p.otelgrpc()...)})}
}

// otelgrpc takes nothing from the globals of OpenTelemetry.
func (p *Provider) otelgrpc() []otelgrpc.Option {
	return []otelgrpc.Option{
		otelgrpc.WithTracerProvider(p.sdk), otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.NewCompositeTextMapPropagator()),
	}
}

// belowTrace leaves RPCs alone that belong to no trace: the reconciler asks SPIRE
// all day.
type belowTrace struct{ stats.Handler }

// TagRPC implements stats.Handler.
func (b belowTrace) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	return b.Handler.TagRPC(ctx, i)
}

// HandleRPC implements stats.Handler.
func (b belowTrace) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if trace.SpanFromContext(ctx).IsRecording() {
		b.Handler.HandleRPC(ctx, s)
	}
}
