// Package flows keeps what connectors report of flows: who reached what, when, how many bytes
// it was and why it ended, also of those that were refused.
//
// It decides about no flow (connectors do) and believes no message: controller/control checks
// each record before it comes here. It is no part of the audit log, which has what people
// change.
//
// Main types, in reading order: Record, Query, Store; Recorder (Take, Totals).
//
// Recorder is safe for concurrent use and starts no goroutine; its Run writes what was taken,
// many records in one transaction, so that flows do not queue with those who wait for the
// database. A Batch that was taken is written before Run ends, or it is not acknowledged.
//
// Invariants: a record is acknowledged only when it is on the disk; one that comes again is not
// written again; what has no room is counted.
package flows
