// Package denial is what a connector and a tunneler remember of revocations, whoever
// is their controller: X509-SVIDs of an id that are refused because of when they were
// issued.
//
// It does not decide who is admitted (policy and directory do, and only these let
// anybody in) or who is revoked (the controller does).
//
// Main types, in reading order: Entry, Sign and Genuine (the controller's signature), List
// (the rule), Kept (a List with its file).
//
// List is a value for one goroutine. Kept is safe for concurrent use; its Run owns the
// writing and ends with its context.
//
// Invariants: a denial only denies, and the later time of two counts; nothing but
// time removes one. An entry lasts for Life after its time, which no SVID of before
// that time outlives. A List holds at most Max entries: what has no room makes
// everybody's SVIDs of before its time worthless, so that no number of denials pushes
// one out. A signature is not needed for a denial to count; it lets a connector give the
// denial back to a controller that was restored.
package denial
