// Package fleet owns what is enrolled: hosts, connectors and tunnelers, from
// their first entry to their revocation.
//
// It does not know which of them is ONLINE (presence does), spend tokens (enroll
// does), decide who may open a session (policy does) or speak gRPC (control does).
// SPIRE is behind the small interface SPIRE, which spire/server implements; SQL
// is behind Store, which store implements; presence is behind Roster.
//
// Main types, in reading order: Host, Member, Entry, Fleet (list and revoke),
// Reconciler (makes SPIRE equal to the store, a member at a time), Tombstone and BanWatch
// (a revoked host stays banned), Clone and AgentWatch (two machines with one host key;
// the reasoning is at clones).
//
// Fleet is safe for concurrent use. Only Reconciler.Run, BanWatch.Run and AgentWatch.Run block; they
// end with their context.
//
// Invariants: an id has at most one live member; a revoked host id never lives
// again; SPIRE's entries and bans follow the store and never the other way; a host
// is called cloned only for what one machine cannot do.
package fleet
