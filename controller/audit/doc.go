// Package audit records who did what to whom, and what was refused.
//
// It does not decide anything and is not the program's log: the log is for
// running the system, the audit is evidence. Each event goes to both.
//
// Main types, in reading order: Event, Log.
//
// Log is safe for concurrent use and starts no goroutine.
//
// Invariants: an event never carries a token, a key or a whole certificate; the
// event of a change is written in the transaction of that change.
package audit
