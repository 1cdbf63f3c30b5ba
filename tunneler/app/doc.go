// Package app wires the tunneler: its commands, and the order in which a running
// one starts and stops.
//
// It holds no logic: which connectors there are is in directory, the sessions with
// them are in session, the keys are in config, and the commands it shares with the
// connector are in internal/hostcmd.
//
// Functions, in reading order: Command, run. run joins every goroutine before it
// returns: health first up and last down, so that /readyz can say what is missing.
package app
