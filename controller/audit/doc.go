// Package audit records who did what to whom, and what was refused.
//
// It does not decide anything and is not the program's log: the log is for
// running the system, the audit is evidence. Each event goes to both.
//
// Main types, in reading order: Event, Log (Record, refusals), Collector; Sequencer,
// Signer and Verify are the Merkle log, Witnesses who watches it.
//
// All are safe for concurrent use and start no goroutine.
//
// Invariants: an event never carries a token, a key or a whole certificate; the
// event of a change is written in the transaction of that change; no caller that is
// refused or unknown can make the log grow by calling more often.
package audit
