// Package proc runs the programs of SPIRE: it finds spire-server or spire-agent on this
// machine, refuses one that is too old, runs it as a child process, asks it whether it
// serves, and passes its log on.
//
// It does not build SPIRE (spire/release), render its configuration (spire/conf) or decide
// when an agent is restarted (spire/hostagent).
//
// Main types and functions, in reading order: Find, RequireVersion, Config, Process,
// Status, Serving.
//
// New starts nothing. Process.Run blocks until its context ends and joins everything it
// started: the child, the readers of its output and the readiness probe. Restart, WaitReady
// and Status may be called from any goroutine. The functions are safe for concurrent use and
// leave nothing open.
//
// Invariants: a Process has at most one child at a time; no child outlives this process,
// even when it is killed (see child.start); a child gets no environment variable but those
// that Config and minimalEnv name.
package proc
