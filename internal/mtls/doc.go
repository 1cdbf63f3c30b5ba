// Package mtls is the one place where X509-SVIDs meet TLS: it follows the
// Workload API and makes the TLS configurations of every listener and dialer
// that uses a workload identity, and the handle on every connection made with them.
//
// It does not issue or renew anything (SPIRE does), does not know what an
// identity may do (internal/rpcauth and the policy do), and has nothing to do
// with the bootstrap CA (internal/bootstrap). That a peer still has its identity
// while a connection is open is the business of internal/reproof.
//
// Main types, in reading order: Source (the newest SVID and bundle), ServerConfig
// and ClientConfig, PeerID; ServerCredentials and ClientCredentials, Conn (who is at
// the other end, and how to cut it), Conns (all of a listener).
//
// Source is safe for concurrent use. Open starts one goroutine, which Close
// joins. A rotation swaps a pointer; handshakes read it, open connections are
// left alone. Conn and Conns are safe for concurrent use; they start no goroutine but
// the timer of Conn.CloseAfter, which ends with the connection.
//
// Invariants: TLS 1.3 only, no session tickets, and the whole chain is verified
// in VerifyConnection, which also runs where VerifyPeerCertificate would not. The
// identity is the single URI SAN of the leaf that proved possession of its key.
// An SVID of another SPIFFE ID than the configured one is never used in its place.
package mtls
