// Package registrar is the client of the SPIRE Server API: registration entries,
// agents, join tokens and the trust bundle. Client implements fleet.SPIRE.
//
// It does not decide which entries should exist or who is banned (controller/fleet
// does), rotate authorities (spire/rotation does) or issue identities (only SPIRE
// does).
//
// Main type: Client.
//
// A Client is safe for concurrent use; Close ends its connection. It starts no
// goroutine but those of gRPC. Each call has a deadline of its own.
//
// Invariants: only entries whose ID begins with fleet.EntryIDPrefix are written
// or deleted; after PutEntry has returned nil, exactly the entry that was asked
// for stands behind its (SPIFFE ID, parent ID, selectors), so that DeleteEntry
// with its ID really ends that access.
package registrar
