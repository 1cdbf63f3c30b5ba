// Package policy owns the answers to "who may open a session, and where" and "who may
// reach what": the snapshot that connectors enforce, the directory that tunnelers follow,
// the resources and grants of which both get their part, and the policy tests that changes
// of them must not break.
//
// It does not store anything (store does, behind Store), send anything (control
// does) or change the fleet (fleet does).
//
// Main types, in reading order: Snapshot, Publisher, reader (what it has in memory of
// the fleet, by the change log), Rules (changes of resources and grants, and Explain,
// which asks what decides), checks (policy tests, before each commit), Reach (what one tunneler may reach), Recall (keeps the
// policy back after a restore).
//
// Publisher is safe for concurrent use. Run blocks; snapshots are immutable once
// published and are shared by all readers.
//
// Invariants: whoever the snapshot does not name is refused; a snapshot with a
// higher revision is at least as new; a subscriber that is slow misses
// intermediate snapshots and never the last.
package policy
