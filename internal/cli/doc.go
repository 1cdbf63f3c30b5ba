// Package cli is what the three programs share at their command line: running a
// cobra tree with one error line and a stable exit code, stopping on a signal,
// the commands version, completion and man, and printing as table or JSON.
//
// It does not know any command of a program (its app package does), reads no
// configuration (settings does) and never ends the process: main passes the
// code of Execute to os.Exit.
//
// Main types, in reading order: Process (what a run gets from outside), Execute,
// UsageError, Configured, Logged and Logger (of a command that runs for long), Info (the
// version), Output and Table, Paint.
//
// Execute blocks until the command returns; it starts no goroutine that it does
// not stop; nor does Logger, once its stop was called. The first SIGINT or SIGTERM cancels the command's context; the
// second ends the process at once, as if no handler were there.
//
// Invariants: exit code 0 is success, 1 a failure while running, 2 wrong usage
// or configuration; errors go to standard error, results to standard output.
package cli
