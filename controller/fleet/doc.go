// Package fleet owns what is enrolled: hosts, connectors and tunnelers, from
// their first entry to their revocation. It also remembers for a day how many there were
// and what they did, for the charts of the dashboard.
//
// It does not know which of them is ONLINE (presence does), spend tokens (enroll
// does), decide who may open a session (policy does) or speak gRPC (control does).
// SPIRE is behind the small interface SPIRE, which spire/server implements; SQL
// is behind Store, which store implements; presence is behind Roster. Series is no
// monitoring (the metrics listener is): it is in memory, starts empty with the program and
// is not meant to be alerted on.
//
// Main types, in reading order: Host, Member, Entry, Fleet (list and revoke),
// Reconciler (makes SPIRE equal to the store, a member at a time), Tombstone and BanWatch
// (a revoked host stays banned), Clone and AgentWatch (two machines with one host key;
// the reasoning is at clones), Series (points of LastHour and LastDay).
//
// Fleet and Series are safe for concurrent use. Only Reconciler.Run, BanWatch.Run,
// AgentWatch.Run and Series.Run block; they end with their context.
//
// Invariants: an id has at most one live member; a revoked host id never lives
// again; SPIRE's entries and bans follow the store and never the other way; a host
// is called cloned only for what one machine cannot do; a Series has bounded memory, and a
// step whose count failed is missing and never made up.
package fleet
