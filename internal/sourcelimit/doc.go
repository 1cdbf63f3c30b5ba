// Package sourcelimit limits what one address, one identity or one connection can
// make us do: how often it may do something, how many of it may be inside at once,
// and which connections of a listener stay open.
//
// It does not know who a peer is: its callers authenticate, and then call
// Conn.Identify. It does not decide what a refused caller receives, except that a
// connection without room is closed.
//
// Main types, in reading order: Limiter and Keyed (how often), Turnstile (how many
// inside), Listener and Conn (connections, by address until the peer is known, and whose
// handshakes compute in which order: turns.go), Frames (HTTP/2 floods, above TLS), Serve
// (a web server within limits, until its end), Descriptors and Share (what listeners
// divide among themselves), Bucket.
//
// All are safe for concurrent use, but a connection of Frames is read by one
// goroutine; none starts one but Serve, which waits for its own.
//
// Invariants: memory is bounded whatever comes; an IPv6 /64 is one address; keys that
// come when a Keyed is full share one allowance, so that many addresses are no way
// around the limit; a newcomer closes only what is anonymous, and of the address that
// has most, so that one address never keeps another one out.
package sourcelimit
