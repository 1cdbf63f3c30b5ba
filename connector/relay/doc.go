// Package relay is the running connector: it keeps the control stream to the
// controller, admits the tunnelers that the policy names, forwards their
// heartbeats, and keeps the rules by which their flows are decided.
//
// It does not enroll (internal/hostcmd does), obtain or renew its identity
// (internal/mtls does), make policy or rules (the controller does), or connect a flow
// to its target (connector/flow does, by internal/flow).
//
// Main types, in reading order: Config, Relay; inside, in the order of a message:
// service (the sessions' gRPC side), sessions (who is attached), outbox (what the
// controller has not received yet), policy (who may attach), beside it the
// denials (who may not, whatever the policy says) and the rules (reach: what they may
// reach).
//
// New binds nothing and starts nothing; Run blocks, owns every goroutine and has
// joined them all when it returns: it ends the sessions first and the control
// stream last, so that the controller learns how they ended. Locks are taken in
// the order applying, connection, sessions, outbox; policy's lock is never held with another.
//
// Invariants: no policy, an old one and one without the caller's SPIFFE ID all
// refuse; a denial counts whatever policy, revision and witness say, and ends only by
// its time (internal/denial); a policy that becomes too old ends the open sessions too, for whoever was
// revoked since may have one of them; a session registers itself before it is admitted and a new policy is
// set before the sessions are swept, so that no session slips between; only the
// newest session of a tunneler reports; a session's messages are numbered, each is
// answered once and in order, and a tunneler that breaks the order is cut.
package relay
