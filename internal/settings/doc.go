// Package settings reads the configuration of a program into a struct: every
// key is declared once, as a field, and is then a flag, an environment variable
// and a key of the configuration file. A flag wins over the environment, the
// environment over the file, the file over the default.
//
// It does not know any key (controller/config, internal/hostprogram and the app packages do), does not
// watch files (Again reads them when it is called) and does not print: cli turns Faults into an exit code.
//
// Main types, in reading order: Spec (where values may come from), Loader (the
// struct's keys), Faults (everything that is wrong, each with its path), Key
// (one row of the reference documentation).
//
// A Loader is immutable and safe for concurrent use; it starts no goroutine.
//
// Invariants: a key that nobody declared is a fault and never ignored; one Load
// reports all faults, not the first; a fault never quotes a line of a file,
// which may hold a token.
package settings
