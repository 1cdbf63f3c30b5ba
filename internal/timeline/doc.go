// Package timeline is how hosts know that a restored or rebuilt controller is the one
// that their operator means: the recovery key, the statement that it signs when a
// new timeline begins, and what a host keeps of both.
//
// It does not keep the recovery key (nobody but the operator does), decide which timeline
// a controller is in (controller/recovery does) or say what becomes of the policy and of
// the witnessed audit log (connector/relay and tunneler/directory do).
//
// Main types, in reading order: Statement, Key (signs one, with the operator only), Kept
// (what a host holds, and the rules), Host (a Kept with its file).
//
// Statement, Key and Kept are values. Host is safe for concurrent use and has no
// goroutine.
//
// Invariants: the number of a Kept only rises, and only by a statement that the pinned key
// signed for this trust domain; the first key is pinned and never replaced; a second
// statement for the same number stops the host until its operator resets it. Nothing is
// parsed that is longer than its cap.
package timeline
