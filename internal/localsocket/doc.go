// Package localsocket is a unix socket whose peers the kernel names: the admin socket of the
// controller (where it is, how it is opened), and those of a tunneler's listeners.
//
// It does not speak HTTP (webadmin/api serves the admin socket, internal/adminclient calls it),
// and it does not decide what a peer may do (controller/auth and tunneler/listen do).
//
// Main types, in reading order: Path and Default (where it is), Listen, Listener,
// Conn, Peer (who opened a connection), Owners (who of them counts as owner).
//
// A Listener may be used by many goroutines, as any net.Listener; nothing here starts
// one.
//
// Invariants: the kernel says who a peer is (SO_PEERCRED), once, when a connection is
// accepted, so a connection counts as what it was opened as, whoever holds it later;
// root and the controller's own user are owners, and nobody else; the overflow uid is
// never an owner, because the kernel shows every user by it that it cannot name in
// this user namespace; a socket that answers is never replaced.
package localsocket
