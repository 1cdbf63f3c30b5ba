// Package rotationtest has the fakes that tests of a CA rotation need: SPIRE's
// state machine in memory, with its errors, a fleet that follows it, and a store.
//
// It does not issue a certificate; what the real SPIRE does is tested in
// internal/e2e/rotation.
//
// Main types, in reading order: SPIRE, World (peers and agents), Store.
//
// All are safe for concurrent use and start no goroutine.
//
// Invariant: SPIRE does what SPIRE 1.15.2 does, its oddities included: one slot
// for a prepared or an old authority, no idempotent call, and a second prepare
// that leaves the first authority in the bundle.
package rotationtest
