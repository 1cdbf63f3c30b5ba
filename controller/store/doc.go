// Package store keeps the domain state in SQL: tokens, claim links and enrollment
// requests, hosts, connectors, tunnelers, resources and grants, people and API keys, CA rotations, the
// audit log, flow records and the change log.
//
// It decides nothing. The rules are in enroll, fleet and policy, which declare
// the small interfaces that Store and Tx implement. Who is ONLINE is not here but
// in presence.Roster.
//
// Main types, in reading order: Store (open, read), Tx (everything that writes).
//
// Store is safe for concurrent use and starts no goroutine. Transactions are
// BEGIN IMMEDIATE: one writer at a time, so a transaction never sees what it read
// change under it.
//
// Invariants: a commit is on disk before it is acknowledged (WAL with
// synchronous=FULL); migrations only go forward; times are microseconds since
// 1970 in UTC and 0 where the thing has not happened; of a secret that only has to be
// recognized the hash is stored, and what has to be read again (claims, seeds) is sealed by
// its owner before it comes here.
package store
