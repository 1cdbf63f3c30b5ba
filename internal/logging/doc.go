// Package logging builds the one logger of a program: zap, as JSON for machines
// or as console lines for people, with the same keys in each program.
//
// It does not decide where logs go (main passes the writer), does not sample and
// keeps no global logger: each component gets its own by constructor, named
// after its package.
//
// Main types, in reading order: Config, New.
//
// Loggers are safe for concurrent use; the writer is locked. Nothing is buffered,
// so nothing has to be flushed or closed.
//
// Invariants: times are UTC in ISO 8601; a line below Error carries no stack.
package logging
