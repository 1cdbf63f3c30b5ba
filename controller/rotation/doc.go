// Package rotation replaces the X.509 authority of the trust domain while
// everybody stays connected: prepare, wait, activate, taint, wait, revoke, wait.
//
// It does not talk to SPIRE (spire/server does, behind SPIRE), know who is
// ONLINE (presence.Roster does) or store anything (controller/store does, behind
// Store). Re-issuing SVIDs is SPIRE's work alone.
//
// Main types, in reading order: Authorities (what SPIRE says), Rotation (what was
// asked for, stored), plan (the next move, from these two and nothing else),
// Gate (who holds it up), Manager (starts, drives, resumes, aborts), Report.
//
// Manager is safe for concurrent use. Only Run blocks; it starts no goroutine.
// What it remembers between two moves is in the store, so a controller killed
// between any two instructions continues where SPIRE is, not where it thought.
//
// Invariants: an intent is stored, with its audit event, before the call it is
// for; a call is never repeated to find out whether it happened; an ordinary
// rotation activates nothing that an online peer does not trust and revokes
// nothing that an online peer, a session's last proof or a live agent rests on,
// unless an operator's deadline dropped it by name. An emergency waits for nobody,
// but gives a taint the seconds it needs to reach the agents. Any rotation is done
// when no online peer trusts what it replaced, or when the deadline of that last
// wait has dropped by name who does.
package rotation
