// Package app wires the tunneler: its commands, and the order in which a running
// one starts and stops.
//
// It holds no logic: which connectors there are is in directory, the sessions with
// them are in session, the frame of a running program in internal/hostprogram, and the
// commands that it shares with the connector in internal/hostcmd.
//
// Main types and functions, in reading order: Config and Loader (the keys of
// `grpctunneler run`, their defaults and what is wrong with given values), Command, run.
// run joins every goroutine before it returns.
package app
