// Package controlclient keeps one link to a peer alive: the control stream of a
// connector, the directory watch of a tunneler and each tunneler's session at a
// connector. It dials, hands the connection to the caller, and when the stream
// ends it waits and dials again, for ever.
//
// It does not know what is said on the stream (its Serve function does), and does
// not verify peers (the TLS configuration from internal/mtls does at the handshake,
// internal/reproof from then on).
//
// Addresses that were configured are always tried, and first. Those that a peer
// names (Learn, filtered by Acceptable) are additions: at most MaxLearned, replaced by
// the next list of a peer that is reached, dropped after LearnedLife without one.
//
// Main types, in reading order: Config, Client, Status, Learned, RetryAfter, Backoff,
// Probe; ProgramStart, KernelStart and AgentStart, the names by which a hello lets the
// controller distinguish a restart from a second machine (controller/fleet does).
//
// Client is safe for concurrent use. New starts nothing; Run blocks until its
// context ends and has then closed its connection. It starts no goroutine (its
// Reproof has one for each connection, and joins it).
//
// Invariants: every attempt has its own grpc.ClientConn, so no back-off of gRPC's
// is ever waited for; waits grow until a stream has lived for Config.Stable, so a
// peer that accepts and hangs up is not hammered; a wait ends at once when there
// is a reason to hope: a fresh SVID, new addresses, or a probe. While there is no
// stream, the addresses where nobody answered are probed (TCP and TLS) every 10 s
// +-20 %, so that a fleet is back within 30 s of its controller, and still takes
// more than 5 s. A peer that refused us, or sent us away, is not probed; one that
// answers probes and takes no stream is probed ever more seldom, down to once a minute.
//
// Time is the time package: the tests run in a testing/synctest bubble, where it
// is fake, so no clock is injected. Randomness is (Config.Jitter).
package controlclient
