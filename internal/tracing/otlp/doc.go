// Package otlp exports traces to an OpenTelemetry collector, by OTLP over gRPC, and
// has the gRPC servers and clients of the controller make spans.
//
// It does not decide what a span says (tracing does).
//
// Main types, in reading order: Config, Provider, export (what counts and bounds).
//
// Without an endpoint Open makes nothing: no exporter, no goroutine, no options for
// gRPC. With one, the SDK's batch processor has a goroutine, and gRPC those of one
// connection; Close joins them.
//
// Invariants: nothing waits for the collector. What it cannot take in time is dropped
// and counted; a trace never fails or holds up what it is about. No trace context is
// taken from a caller, who could otherwise decide what is recorded, and none is sent.
package otlp
