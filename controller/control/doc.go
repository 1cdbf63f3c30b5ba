// Package control is the controller's gRPC transport: enrollment on the
// bootstrap listener, control streams and directories on the mTLS listener. On the
// bootstrap listener it splits off HTTP/1.1 by ALPN, bounds it, and leaves what is
// served to controller/install.
//
// It translates and calls one domain method; it does not decide. Which kind of
// workload may call is in rules.go, whether this one is enrolled is asked of
// fleet, who may open a session is in policy, whether a peer still has its identity
// is seen to by internal/reproof.
//
// Main types, in reading order: Server (one listener), Enrollment, ControlPlane,
// Directory, split (ALPN) and web.
//
// Handlers run on gRPC's goroutines. A control stream has one goroutine that only
// receives; it ends with the stream's context, when its handler returns, and Run waits
// for it. Run has one beside the listener that sweeps the connections, or serves HTTP,
// and joins it.
//
// Invariants: the caller is who its SVID says; a message that claims another id
// ends the stream. A newer stream of a member replaces the older one, whose late
// end changes nothing. Whoever a snapshot does not name any more has its
// connection closed, whether its handler can act or is stuck. Messages are capped before they are decoded.
package control
