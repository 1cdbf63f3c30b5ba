package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of our spans.
const scope = "github.com/sathiyaseelank-dot/grpccontroller"

// Tracer begins traces. The zero Tracer begins none.
type Tracer struct{ tracer trace.Tracer }

// NewTracer returns a Tracer of p.
func NewTracer(p trace.TracerProvider) Tracer { return Tracer{p.Tracer(scope)} }

// Begin begins a trace, whatever trace ctx may belong to; End ends it.
func (t Tracer) Begin(ctx context.Context, name string, attributes ...Attribute) (context.Context, Span) {
	if t.tracer == nil {
		return ctx, Span{}
	}
	ctx, s := t.tracer.Start(ctx, name, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
	span := Span{s}
	span.Set(attributes...)
	return ctx, span
}

// Start begins a step of the trace that ctx belongs to. Outside of a trace it does
// nothing and costs nothing.
func Start(ctx context.Context, name string, attributes ...Attribute) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, s := parent.TracerProvider().Tracer(scope).Start(ctx, name)
	span := Span{s}
	span.Set(attributes...)
	return ctx, span
}

// Current is the span that ctx belongs to. It is not for whoever calls to end.
func Current(ctx context.Context) Span { return Span{trace.SpanFromContext(ctx)} }

// TraceID is the id of the trace that ctx belongs to, or empty if none is recorded.
func TraceID(ctx context.Context) string {
	s := trace.SpanFromContext(ctx)
	if !s.IsRecording() {
		return ""
	}
	return s.SpanContext().TraceID().String()
}

// Span is a step while it lasts. The zero Span records nothing.
type Span struct{ span trace.Span }

// Set adds attributes.
func (s Span) Set(attributes ...Attribute) {
	if s.span == nil || !s.span.IsRecording() {
		return
	}
	for _, a := range attributes {
		s.span.SetAttributes(attribute.String(a.key, a.value))
	}
}

// End ends the step. Of an error it records that there was one: what its text says,
// the log says under the same trace_id.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// Attribute says something about a span.
type Attribute struct{ key, value string }

// Kind of a workload.
func Kind(kind string) Attribute { return Attribute{"zerotrust.kind", kind} }

// ID of a workload. It must have been validated: what a stranger says it is could be
// anything, a token too.
func ID(id string) Attribute { return Attribute{"zerotrust.id", id} }

// SPIFFEID of whom the request is about.
func SPIFFEID(id string) Attribute { return Attribute{"zerotrust.spiffe_id", id} }

// HostID of the host that the request is about.
func HostID(id string) Attribute { return Attribute{"zerotrust.host_id", id} }

// TokenID names an enrollment token; it is not the token.
func TokenID(id string) Attribute { return Attribute{"zerotrust.token_id", id} }

// RequestID is the request_id of the log.
func RequestID(id string) Attribute { return Attribute{"zerotrust.request_id", id} }

// Result says in a word how it ended; the values are constants.
func Result(result string) Attribute { return Attribute{"zerotrust.result", result} }

// Route is the pattern of an HTTP route, which has no value in it.
func Route(route string) Attribute { return Attribute{"http.route", route} }

// Method of an HTTP request, one of the known ones.
func Method(method string) Attribute { return Attribute{"http.request.method", method} }

// Status of an HTTP reply, as text.
func Status(status string) Attribute { return Attribute{"http.response.status_code", status} }
