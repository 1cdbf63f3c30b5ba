// Package delta keeps a set of entries the same at two ends of a stream, at the cost
// of what changes: the tunnelers of a policy, the connectors of a directory, the rules
// of a network.
//
// It does not send, store or encode anything, does not know what an entry grants, and
// does not decide whose word counts (controller/control sends, connector/relay and
// tunneler/directory receive and decide).
//
// Main types, in reading order: Digest (of a set, kept up to date entry by entry),
// Part (one message of an update), Set (the receiving end), Result.
//
// Nothing here is safe for concurrent use, starts a goroutine or does I/O.
//
// Invariants of a Set, whatever arrives: it holds nobody whom no complete update named;
// a removal acts as its part arrives, since it only denies, and additions act
// together with the last part, if the whole set has the digest that the sender says; the
// position never goes back; an update that does not fit is no error but asks for
// everything anew.
package delta
