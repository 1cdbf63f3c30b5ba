// Package tracing records what a request did and how long each step took, as
// OpenTelemetry spans. It is the one home of OpenTelemetry; only the controller is
// traced, and connector and tunneler have none of it in their binaries.
//
// It does not export anything (tracing/otlp does, and it alone brings the SDK), and
// it records nothing by itself: a span is made only below one that a transport began,
// so that work in the background and a controller without tracing cost nothing.
//
// Main types, in reading order: Tracer (begins a trace), Start (a step of it), Span,
// Attribute.
//
// Everything is safe for concurrent use; a Span is of one goroutine. No goroutine.
//
// Invariants: an attribute is one of those made here, each with a value that is
// public by its nature (kind, id, SPIFFE ID, result): never a token, a key, a
// certificate, a cookie, an argument of a query or the text of an error.
package tracing
