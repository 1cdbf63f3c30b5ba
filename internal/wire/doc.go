// Package wire says what a peer may say: the caps on messages, lists and texts of
// the control plane and of sessions, checked where a message enters and applied
// again where it arrives.
//
// It does not decide who may say something (internal/rpcauth, the policy) or whose
// report counts (controller/fleet), and sends nothing.
//
// Main types, in reading order: the caps (caps.go), CheckHeartbeat for the connector
// that takes a tunneler's heartbeat, ClipReport for the controller that receives what
// became of it, Addresses and Time for what a controller sends down, Counter for the
// numbered messages of a stream (the first is 1, each next one is one more).
//
// Everything here is a value or a pure function over values, safe for concurrent use but
// for Counter, which belongs to one direction of one stream.
//
// Invariants: a report of a heartbeat that CheckHeartbeat accepts passes ClipReport
// unchanged; whatever ClipReport returns could have come from such a heartbeat; what
// the sender's cap admits fits the receiver's.
package wire
