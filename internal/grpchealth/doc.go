// Package grpchealth is the gRPC health service (grpc.health.v1) of a listener. What
// it answers is the program's readiness, as far as this listener needs it.
//
// It does not decide who may call: internal/rpcauth has a row for each of its RPCs
// as for every other one, and Config.Admit asks the policy, so that a workload that
// may not use the listener does not learn of its state either. The health of the
// program for people and probes is internal/health.
//
// Main types: Config, Service.
//
// A Service is safe for concurrent use and starts no goroutine: an answer is worked
// out when somebody asks, and kept for a second, whoever asks and however often. A
// watcher asks every second, in the goroutine of its stream.
//
// Invariants: NOT_SERVING from the moment Config.Stopping is closed; a caller that
// hangs up does not spoil the answer of others; the streams that a caller, and all
// together, may hold open are few.
package grpchealth
