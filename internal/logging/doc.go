// Package logging builds the one logger of a program: zap, as JSON for machines
// or as console lines for people, with the same keys in each program.
//
// It does not decide where logs go (main passes the writer) and keeps no global
// logger: each component gets its own by constructor, named after its package. Which
// signal changes the level, cli decides.
//
// Main types, in reading order: Config, New, Request and For (whose line it is),
// Hot (sampled lines), Condition (a fault that continues), Reminder, Follow (the level at run time).
//
// Loggers are safe for concurrent use; the writer is locked. Nothing is buffered,
// so nothing has to be flushed or closed. Follow runs in the caller's goroutine.
//
// Invariants: times are UTC in ISO 8601; a line below Error carries no stack; a line
// is sampled only where it was written through Hot, and never from Warn on.
package logging
