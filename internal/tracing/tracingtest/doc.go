// Package tracingtest has a collector of traces for tests: a real OTLP receiver over
// gRPC, in memory.
package tracingtest
