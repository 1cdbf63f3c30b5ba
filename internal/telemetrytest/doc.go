// Package telemetrytest reads in tests what a program says of itself: Families are its
// metrics, which Documented holds against docs/metrics.md, and Collector is a real OTLP
// receiver over gRPC that keeps its traces in memory.
//
// It measures nothing (internal/metrics and internal/tracing do). Nothing but tests imports
// it.
//
// Main types and functions, in reading order: Families, GatherMetrics, Documented;
// Collector, Span, SpanChain.
//
// Collector is safe for concurrent use and ends with its test.
package telemetrytest
