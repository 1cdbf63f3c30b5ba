// Package embedded runs the spire-server of a controller as a child process:
// configuration file, start, readiness and stop.
//
// It does not talk to the server (registrar does), run agents (hostagent does)
// or restart a child by itself (supervisor does).
//
// Main type: Server.
//
// Server is safe for concurrent use. Run blocks until its context ends.
//
// Invariant: the configuration file is written anew at every start, so that what
// runs is what this program was configured with.
package embedded
