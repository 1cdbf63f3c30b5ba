// Package listen is how programs of this host reach resources: SOCKS5, HTTP CONNECT, an
// address for each resource, and the local socket that `grpctunneler connect` uses.
//
// It decides about no target (the connector does), opens no flow itself (internal/flow
// does) and has no list of resources.
//
// Main types, in reading order: Config and Face (what to listen at), Server (New, Serve, Drain),
// Opener and Flow (what it needs of a flow), Users (who may connect); answers.go says what a
// program gets to know when an open fails.
//
// New opens the listeners; Serve takes connections until its context ends; Drain gives open
// flows some time and has joined every goroutine when it returns. A connection has one goroutine,
// and a second one while a flow carries it (internal/flow).
//
// Invariants: nothing is read from a connection before the kernel has said whose it is, and
// that user is one of Users; before a flow is asked for, a connection has a few seconds and
// a few KiB; a port that somebody forwarded to a browser page gives it nothing, because
// a page cannot send CONNECT, and whatever a page sends is refused.
package listen
