// Package mtls is the one place where X509-SVIDs meet TLS: it follows the
// Workload API and makes the TLS configurations of every listener and dialer
// that uses a workload identity.
//
// It does not issue or renew anything (SPIRE does), does not know what an
// identity may do (internal/rpcauth and the policy do), and has nothing to do
// with the bootstrap CA (internal/bootstrap).
//
// Main types, in reading order: Source (the newest SVID and bundle), ServerConfig
// and ClientConfig, PeerID.
//
// Source is safe for concurrent use. Open starts one goroutine, which Close
// joins. A rotation swaps a pointer; handshakes read it, open connections are
// left alone.
//
// Invariants: TLS 1.3 only, no session tickets, and the whole chain is verified
// in VerifyConnection, which also runs where VerifyPeerCertificate would not. The
// identity is the single URI SAN of the leaf that proved possession of its key.
// An SVID of another SPIFFE ID than the configured one is never used in its place.
package mtls
