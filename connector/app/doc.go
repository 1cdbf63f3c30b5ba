// Package app wires the connector: its commands, and the order in which a running
// one starts and stops.
//
// It holds no logic: what a connector does is in relay, its keys are in config,
// and the commands it shares with the tunneler are in internal/hostcmd.
//
// Functions, in reading order: Command, run. run joins every goroutine before it
// returns: health first up and last down, so that /readyz can say what is missing.
package app
