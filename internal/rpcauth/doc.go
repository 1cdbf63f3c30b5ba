// Package rpcauth decides which kind of workload may call which RPC, before any
// handler runs. Whatever has no row is refused.
//
// It does not verify certificates (internal/mtls does) and knows no single
// connector or tunneler: whether this one is enrolled and not revoked is asked by
// the handler of the domain.
//
// Main types, in reading order: Rules, Caller, ServerOptions.
//
// Rules are read-only once built; the interceptors are safe for concurrent use.
package rpcauth
