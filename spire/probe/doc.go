// Package probe asks a SPIRE program on this machine whether it serves.
//
// It keeps no state and draws no conclusion (spire/supervisor and spire/hostagent
// do).
//
// Main function: Serving. It is safe for concurrent use and leaves nothing open.
package probe
