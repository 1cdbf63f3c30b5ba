// Package witness is how a connector witnesses the controller's audit log: the
// format of a signed checkpoint, the judgement of a newer one, and the file that
// keeps what was witnessed.
//
// It does not make checkpoints or proofs (controller/audit does), talk to anybody
// (connector/relay does) or say what follows from a failure.
//
// Main types, in reading order: Checkpoint, Offer (what a controller sends), Kept
// (what a connector holds against it), File.
//
// Everything here is a value or a function; File is safe for concurrent use only
// by one process at a time.
//
// Invariants: Judge is the only way from one Kept to the next, and accepts only
// what extends it, under the same key (RFC 6962 section 2.1.2). Nothing is parsed
// that is longer than its cap.
package witness
