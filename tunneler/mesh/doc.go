// Package mesh decides which connectors a tunneler keeps sessions with: at most two of
// each network.
//
// It only decides. It opens no connection and reads no clock: the caller (session)
// passes it what the directory names, how its sessions are, what a connector's latency
// was and what time it is.
//
// Main types, in reading order: Candidate (a connector of the directory), Link (how a
// session is), Mesh (Set, Decide, Measured, NextProbe), Choice (whom to keep a session
// with, and why).
//
// The rules:
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
// Mesh is not safe for concurrent use.
package mesh
