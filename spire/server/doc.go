// Package server is the controller's side of spire-server: Client (registration entries,
// agents, join tokens, the trust bundle), Authorities (the X.509 authorities and the calls
// that replace one) and Embedded (a spire-server that runs as our child process).
//
// It does not decide which entries should exist or who is banned (controller/fleet), when an
// authority is replaced (controller/rotation), or issue identities (only SPIRE does).
//
// Main types, in reading order: Client, Authorities, Embedded. Client implements fleet.SPIRE,
// Authorities implements rotation.SPIRE.
//
// All three are safe for concurrent use. Client starts no goroutine but those of gRPC, and
// Close ends its connection, which Authorities shares. Each call has a deadline of its own.
// Embedded.Run blocks until its context ends.
//
// Invariants:
//   - Only entries whose ID begins with fleet.EntryIDPrefix are written or deleted. When
//     PutEntry has returned nil, exactly one entry has this SPIFFE ID, parent ID and
//     selectors: the one that was asked for. So DeleteEntry with its ID ends that access.
//   - No call of Authorities is repeated. The API is not idempotent: a second prepare leaves
//     the first authority trusted until it expires.
//   - Embedded writes server.conf at every start, so that what runs is what this program was
//     configured with.
package server
