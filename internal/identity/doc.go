// Package identity is the one place that builds and reads the names of this
// system: SPIFFE IDs of controllers, connectors, tunnelers and SPIRE agents,
// host ids, the URI in a host certificate and the TLS name of the enrollment
// listener.
//
// It does not verify certificates (internal/mtls does) and does not decide
// who may do what (internal/rpcauth and the policy do).
//
// Main types, in reading order: Kind, Workload, HostID, Issue.
//
// Everything here is a pure function over values; safe for concurrent use.
//
// Invariants: an identity is read from a SPIFFE ID only, never from a common
// name or a DNS name (an Issue only denies: it distinguishes a former holder of an id from
// the present one); parsing accepts exactly what the builders make.
package identity
