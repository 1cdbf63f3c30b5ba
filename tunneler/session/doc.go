// Package session keeps the tunneler's sessions: one stream to each connector it
// uses, with a heartbeat every 10 s that the connector forwards to the controller.
//
// It does not find out which connectors there are (directory does) nor decide which of
// them to use (mesh does: at most two of each network), and carries no flows.
//
// Main types, in reading order: Config, Manager (starts and stops sessions as mesh
// decides), Measure (the latency of a connector without a session), Session (one connector), door (CONNECTOR_ADDR), Counts (how well it carries).
//
// Manager is safe for concurrent use. Run blocks, owns the goroutine of every
// session and has joined them all when it returns.
//
// Lock order: Manager's, Session's, controlclient's; the door's lock is taken with or
// without Manager's, and no other under it but controlclient's.
//
// Invariants: a session belongs to exactly the SPIFFE ID that the handshake proved and
// the directory lists, whoever answers at the address; a connector has one session,
// whichever address led to it; a connector that left
// the directory has no session; every message is numbered, and a connector that
// does not answer them one by one in order is left.
package session
