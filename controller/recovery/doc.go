// Package recovery is the controller's side of timelines: the public half of the recovery
// key, and the statements that begin a timeline after a restore.
//
// It does not have the recovery key but in Init, which returns it once, and in Begin, to
// which its operator brings it; it is never stored. What a statement is, and what hosts make
// of it, is internal/timeline.
//
// Main types, in reading order: Key, Timeline (what is stored), Init and Begin (what the
// commands do), Keeper (what a running controller sends to its hosts).
//
// Keeper.Run is one goroutine, which follows the change log for a key that is made; everything else is safe
// for concurrent use.
//
// Invariants: a key and a timeline are written in the transaction of their audit event. The
// number of the newest timeline only rises. A controller whose timeline a statement began
// collects its connectors' revocations first (policy.Recall).
package recovery
