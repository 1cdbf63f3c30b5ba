// Package presence knows which members are ONLINE at this moment: connectors by their
// control streams, tunnelers by their sessions, of which one may have several.
//
// It does not know who is enrolled (fleet does), who may connect (policy does), what
// a heartbeat looks like on the wire (control does) or how last-seen times are stored
// (store does, behind Store).
//
// Main types, in reading order: State, Session, Report, Roster (notes what happens
// and answers what is), Peer (an open link, for the gates of a CA rotation), Headcount,
// Turns (who came or went, for lists and their counts), Seen.
//
// What happens is noted through control.Attendance; what is, is read through the small
// interfaces beside those who ask: fleet.Roster (lists), rotation.Online (gates),
// events.Roster (flips), and the metrics. All of them name members by id and hand out
// copies, so that several controllers can answer them from what they send one another;
// Roster answers them from the memory of one.
//
// A Roster is safe for concurrent use: one lock, held for what one call needs. Counts,
// expiry, Turns and the end of all sessions at one connector cost what is counted, whatever
// the fleet; only Peers looks at every member. Only
// Roster.Run and Roster.Watch block; they end with their context, Run after it has
// stored the last-seen times once more.
//
// Invariants: a member is ONLINE while a stream or session of it is open and its last
// heartbeat is not older than OfflineAfter; the end of one session does not end another; all readers
// see the same set of sessions; what was verified on an open connection outranks what
// was reported; a revoked member is nowhere.
package presence
