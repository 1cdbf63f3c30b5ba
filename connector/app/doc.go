// Package app wires the connector: its commands, and the order in which a running
// one starts and stops.
//
// It holds no logic: what a connector does is in relay, the frame of a running program in
// internal/hostprogram, and the commands that it shares with the tunneler in
// internal/hostcmd.
//
// Main types and functions, in reading order: Config and Loader (the keys of
// `grpcconnector run`, their defaults and what is wrong with given values), Command, run.
// run joins every goroutine before it returns.
package app
