// Package rpcauth decides which kind of workload may call which RPC, before any
// handler runs. Whatever has no row is refused. It also holds the limits that every
// gRPC listener of this project has: how often calls and connections begin, how long
// a request may take to arrive, and what an idle or old connection may hold.
//
// It does not verify certificates (internal/mtls does) and knows no single
// connector or tunneler: whether this one is enrolled and not revoked is asked by
// the handler of the domain.
//
// Main types, in reading order: Rules, Caller, ServerOptions and Limits, Credentials.
//
// Rules are read-only once built; the interceptors are safe for concurrent use.
package rpcauth
