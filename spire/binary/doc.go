// Package binary finds the SPIRE programs on this machine and refuses those that
// are too old for us.
//
// It does not build them (spire/release does) or run them as services
// (spire/supervisor does).
//
// Main functions, in reading order: Find, RequireVersion, Version.
//
// All functions are safe for concurrent use; Version runs the program once and
// ends with its context.
package binary
