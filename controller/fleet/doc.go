// Package fleet owns what is enrolled: hosts, connectors and tunnelers, from
// their first entry to their revocation, and who of them is ONLINE.
//
// It does not spend tokens (enroll does), decide who may open a session (policy
// does) or speak gRPC (control does). SPIRE is behind the small interface SPIRE,
// which spire/registrar implements; SQL is behind Store, which store implements.
//
// Main types, in reading order: Host, Member, Entry, Roster (who is ONLINE and what
// it proved, in memory; Watch tells of every flip), Fleet (list and revoke), Reconciler (makes
// SPIRE equal to the store), Clone and AgentWatch (two machines with one host key; the
// reasoning is at clones).
//
// Fleet and Roster are safe for concurrent use. Only Roster.Run, Roster.Watch,
// Reconciler.Run and AgentWatch.Run block; they end with their context.
//
// Invariants: an id has at most one live member; a revoked host id never lives
// again; SPIRE's entries and bans follow the store and never the other way; a host
// is called cloned only for what one machine cannot do.
package fleet
