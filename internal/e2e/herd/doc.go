// Package herd restarts a real controller under a thousand connectors and looks at
// how they come back. The connectors are the real relay in one process; their
// SVIDs are signed by the real spire-server, without agents.
//
// It also counts the lines that a controller writes while all is well.
//
// It has tests only, and no code for others.
package herd
