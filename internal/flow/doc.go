// Package flow carries the flows of tunnelers to connectors: TCP connections, each on an
// mTLS connection of its own for as long as it lasts, bound to a session that was proved.
// docs/flows.md is the specification.
//
// It decides about no target, resolves no name and dials no resource (the handler of an
// Acceptor does), and it opens no session (the programs do, and Attach
// them here).
//
// Main types, in reading order: Header and Type (a frame), Machine (which frame may come
// when, and until when), Claim and Key (the binding to a session), Code (why an open
// failed), Socket (below TLS), link (a connection with its machine; send.go has what it sends); Pool and Conn on the
// tunneler's side, Acceptor and Handler on the connector's.
//
// Machine, the frames and the binding are pure: no socket, no clock, no goroutine. Pool.Run
// and Acceptor.Drain block and have joined every goroutine of theirs when they return. Pool,
// Acceptor and Conn are safe for concurrent use; a Conn has one reader and one writer at a
// time, as a TCP connection has.
//
// Lock order: Acceptor's or Pool's, then a link's. No lock is held over a read or a write
// but the one that keeps the frames of a link apart; the few bytes that a link owes at its end
// have 5 ms.
//
// Invariants: a connection says one thing before it is bound, and is bound once; it carries
// one flow at a time; whatever comes out of order ends the connection and nothing else; a
// flow lives no longer than what the tunneler of its session has proved; a connection that
// waits for its peer holds no buffer.
package flow
