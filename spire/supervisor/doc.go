// Package supervisor runs one child process, SPIRE's server or agent, keeps it
// running and passes its log on.
//
// It does not know what the child is (spire/agentconf renders its configuration,
// spire/hostagent decides when to restart an agent).
//
// Main types, in reading order: Config, Process, Status.
//
// New starts nothing. Run blocks until its context ends and joins everything it
// started: the child, the readers of its output and the readiness probe. Restart,
// WaitReady and Status may be called from any goroutine.
//
// Invariants: at most one child lives at a time; no child outlives this process,
// even when it is killed (see start); a child inherits no environment variable
// but those that Config and minimalEnv name.
package supervisor
