// Package admincmd is the command line of the admin API: a command for each
// page of the dashboard, such as token, connectors, grants, audit and ca.
//
// It does not speak HTTP (adminclient does), decide or check anything that the
// API decides, or end the process (internal/cli does).
//
// Main types, in reading order: Commands, connection (which API, which key),
// explain (errors that say what to do).
//
// Every call of Commands makes a tree of its own; one tree runs one command.
//
// Invariants: results go to standard output, questions and remarks to standard
// error; nothing is revoked without a yes; no key is taken from an argument,
// where every user of the host could read it.
package admincmd
