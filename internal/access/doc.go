// Package access decides which tunneler may reach which address: the model of resources
// and grants that controller, connector and tunneler share, and Set.Decide, which
// decides and explains. Before it, a connector refuses what it cannot judge (no policy yet, a rule
// that it does not understand) and its own addresses; connector/relay and connector/flow name those codes.
//
// It does not store or send anything (controller/policy and controller/control do), look
// up names or dial (the connector does, between Decide and DecideAddress), know how a caller
// proved its identity (internal/mtls does) or what a person may change (controller/auth).
//
// Main types, in reading order: Pattern and PortRange (what a resource covers), Resource,
// Subject and Object, Schedule, Grant, Set (what is decided by), Caller, Target, Decision.
// ResourceText and GrantText are the same as people write them and as they are stored and
// sent; Parse checks them.
//
// A Set is edited in place, one entry at a time, and is not safe for concurrent edits:
// whoever owns it holds a lock, for reading while it decides. Everything else is a value.
// Nothing here starts a goroutine, does I/O (but for time zones) or reads the clock.
//
// Invariants: what no grant allows is refused; of several resources that cover a target the
// most specific ones decide alone, so that a resource also guards what it covers; a name
// never leads to an address that the caller could not reach by a grant of its own, unless
// no resource covers that address; text that Parse took is the only spelling of what it
// means.
package access
