// Package ruleset is what a controller sends a connector of resources and grants, and what
// the connector decides by: rules with keys, in two sets, one for all networks and one for
// its own.
//
// It does not decide (internal/access does), send or store anything (controller/control
// and connector/relay do), or know which rules there are (controller/policy does).
//
// Main types, in reading order: Rule (one entry, encoded once by the controller), Rules
// (an access.Set made of them), Set (Rules at the receiving end of a stream).
//
// A Rule is a value. Rules and Set are not safe for concurrent edits: whoever owns them
// holds a lock, for reading while they decide. Nothing here starts a goroutine or does I/O.
//
// Invariants: a rule that is not understood never allows more than the others do without
// it; what is allowed was allowed by all the rules that there were at one time; what was removed
// allows nothing, whether the rest of the change arrives or not; Rules are the same in
// whatever order their rules came.
package ruleset
