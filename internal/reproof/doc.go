// Package reproof keeps a connection from outliving the identities that opened
// it. TLS looks at a certificate once; here each end proves, after every rotation
// of its SVID and on the connection itself, that it still has an identity, and an
// end that does not is cut. docs/reproof.md is the specification.
//
// It does not make or close connections of its own (internal/mtls.Conn is the one
// it works on), issue identities (SPIRE does) or decide what a peer may do
// (internal/rpcauth and the policy do).
//
// Main types, in reading order: Binding and Proof (what is signed), Verifier (one
// end's judgement, without input or output), guard (the deadline of a
// connection), Server and Client (both ends' part over gRPC), Refusal and Reports (what
// was refused, for the controller's audit log).
//
// Sign and Verify are pure functions; a Verifier has one user. Server and Client
// are safe for concurrent use. A Prove stream has one goroutine that receives and
// ends with the stream: Client.Around joins its own, Server.Wait those of a server that
// has stopped. Deadlines are timers, which
// end with their connection.
//
// Invariants: a proof counts for one challenge of one connection, in one
// direction, for the SPIFFE ID of the handshake and no other, and only by the key
// of the leaf. Whatever fails ends the connection; only a chain that may verify
// in a moment (an authority that has not arrived here yet) is kept until the
// deadline. The deadline runs by the wall clock and needs nobody's cooperation.
//
// Time is the time package: the tests run in a testing/synctest bubble.
package reproof
