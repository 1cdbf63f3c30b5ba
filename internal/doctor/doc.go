// Package doctor looks for what usually keeps a connector or a tunneler from working
// and says what to do about it: configuration, unit, agent, socket, identity, names,
// ports, trust, clock, token, files of the host. It is `grpcconnector doctor`.
//
// It does not mend anything, does not send a token, and does not ask for an identity:
// SPIRE gives one to the program and to nobody else, so the program is asked whether
// it has it. It reads no configuration (internal/hostcmd does).
//
// Main types, in reading order: Host (what is examined, and by which means), Run,
// Report, Finding; Check and Examine for a program with checks of its own, which the
// controller has.
//
// Run works in the caller's goroutine, one check after the other; each is bounded in
// time. A check that depends on what an earlier one found is skipped, not repeated.
//
// Invariants: nothing is changed on the host or at the controller; no Finding quotes
// a secret; a text of a peer is one printable line; what cannot be seen without root
// is skipped and not called a fault.
package doctor
