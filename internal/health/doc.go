// Package health answers whether a program lives (/livez) and whether it is
// ready (/readyz), with the reason of each check, over HTTP on loopback, and reports
// the same to systemd (sd_notify). It also names the clock where a certificate is out of
// its time because two machines disagree about the time.
//
// It does not judge anything itself: components push or register their checks, and
// say how things are while they are fine. It is not the gRPC health service
// (rpcauth.Health is) and holds no metrics, but the program may mount a /metrics
// handler on its server, and documents that say what it does, such as /sessions. It
// restarts nothing (systemd's watchdog does) and sets no clock.
//
// Main types, in reading order: Checks (the registry), Report (its state at one
// moment), Server (the HTTP side), Pulse (a loop that can be asked whether it lives),
// Notify (reports to systemd), ClockAhead, SuspectClock.
//
// Checks is safe for concurrent use and starts no goroutine that outlives a
// call. Server.Run owns all goroutines of the server and joins them when its
// context ends; Server.Close is for a server that never ran. Notify blocks until its
// context ends and starts no goroutine; without systemd it does nothing.
//
// A check is OK, degraded (the program does all of its work, and somebody should look)
// or failing; only a failing one makes the program not ready.
//
// Invariants: a detail is one printable line of bounded length, whoever wrote it;
// a check that was declared and never set is a failed check; without
// any check nothing is ready; /livez depends only on the checks of Live, which ask
// the program's own loops, so that a supervisor never restarts a program because
// something else is down; WATCHDOG=1 is sent after an answer of the loops, never by a
// timer alone; a text about a certificate that is out of its time has the word "clock" and
// the time on this host.
package health
