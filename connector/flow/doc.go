// Package flow is what a connector does with a flow: it decides, resolves the name inside its
// own network, decides the address that it resolved to, and dials exactly that address.
//
// It carries no bytes and knows no session (internal/flow does both), decides by no rule of
// its own (a Decider does), and keeps no record (Config.Ended gets
// each).
//
// Main types, in reading order: Config, Handler (Open, Ended, Recheck), Record; dial.go has
// what happens between the two decisions, proxy.go the header with which a connection to a
// target may begin.
//
// Handler is safe for concurrent use and starts no goroutine; the timer of a grant that ends
// is stopped with its flow.
//
// Invariants: nothing is looked up or dialed before the decision; an address is dialed only as
// it was decided, without a second look-up; a flow is known before it is connected, so that no
// change of policy misses it; a target that expects the header gets it
// before anything of the client's; a target that is not granted and one that does not exist get the
// same answer after the same time.
package flow
