// Package hostprogram is what a running connector and a running tunneler have in common:
// the keys of the configuration that both have, the health listener, metrics, reports to systemd, the wait for the program's X509-SVID,
// and the status document that `grpcconnector status` and `doctor` read.
//
// It does not know what either program does (connector/relay, tunneler/session), has no
// commands (internal/hostcmd) and judges nothing: the checks in a Document are those
// of /readyz.
//
// Main types, in reading order: Settings (the shared keys), Config and Program (New, Run: the frame of one run),
// Identity (what serve gets), Document (the shape of /status, stable, documented in
// docs/health.md), Publisher (its writer), Fetch (its reader), Kept (whether the state
// directory takes what should survive a restart), Alone (keeps a second program with the
// same SPIFFE ID from starting), AgentChecks.
//
// New starts nothing. Program.Run blocks until its context ends or serve returns, and joins
// what it started; health starts first and ends last, so that /readyz says what is missing.
// Publisher and Kept are safe for concurrent use and start no goroutine.
//
// Invariants: no secret is in a Document; its size is bounded whatever peers do, and so is
// what Fetch reads; a text of a peer is one printable line.
package hostprogram
