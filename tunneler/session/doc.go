// Package session keeps the tunneler's sessions: one stream to each connector it
// uses, with a heartbeat every 10 s that the connector forwards to the controller.
//
// It does not find out which connectors there are (directory does) and carries no flows.
//
// Main types, in reading order: Config, Manager (starts and stops sessions as Mesh
// decides), Mesh (Set, Decide, Measured, NextProbe: which connectors to use), Measure (the
// latency of a connector without a session), Session (one connector), door
// (CONNECTOR_ADDR), Counts (how well it carries).
//
// Mesh only decides: it opens no connection and reads no clock. Manager passes it what the
// directory names (Candidate), how the sessions are (Link), what a connector's latency was
// and what time it is, and gets a Choice with its reason. Its rules:
//   - At most two connectors of each network are used.
//   - The first choice follows a hash of tunneler and connector (rendezvous hashing), so
//     that tunnelers are distributed over connectors without knowing of each other.
//   - A connector whose session is down or silent is replaced as soon as another one is
//     there; it is not chosen again for a while. Replacements that do not come up are
//     spaced more and more.
//   - A connector that works is left only for one that was clearly faster in several
//     measurements, and at most once in some minutes for each network. The exact time is
//     random, so that a fleet does not move at once.
//   - A connector that the hash selects and that works again gets its sessions back, some
//     minutes later and at a random time, unless the one in its place is clearly faster.
//   - With nobody to replace it, a connector is kept whatever its state: its session
//     tries again by itself.
//
// Manager is safe for concurrent use. Run blocks, owns the goroutine of every
// session and has joined them all when it returns. Mesh is not safe for concurrent use.
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
