// Package rpcauth decides which kind of workload may call which RPC, before any
// handler runs. Whatever has no row is refused. It also holds the limits that every
// gRPC listener of this project has: how often calls and connections begin, how long
// a request may take to arrive, and what an idle or old connection may hold; and the gRPC
// health service (grpc.health.v1) of a listener, which answers with the program's
// readiness as far as this listener needs it.
//
// It does not verify certificates (internal/mtls does) and knows no single
// connector or tunneler: whether this one is enrolled and not revoked is asked by
// the handler of the domain, and by HealthConfig.Admit, so that a workload that may not use
// a listener does not learn of its state either. The health of the program for people and
// probes is internal/health.
//
// Main types, in reading order: Rules, Caller, ServerOptions and Limits, Credentials,
// Health.
//
// Rules are read-only once built; the interceptors are safe for concurrent use. Health is
// safe for concurrent use and starts no goroutine: an answer is worked out when somebody
// asks, and kept for a second, whoever asks and however often. A watcher asks every second,
// in the goroutine of its stream.
//
// Invariants: whatever has no row is refused. Health answers NOT_SERVING from the moment
// HealthConfig.Stopping is closed; a caller that hangs up does not spoil the answer of
// others; the streams that a caller, and all together, may hold open are few.
package rpcauth
