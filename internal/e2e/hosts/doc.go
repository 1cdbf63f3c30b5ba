// Package hosts boots Debian hosts with systemd for tests: one root file system
// from mmdebstrap, kept in the user's cache directory, below an overlay for each
// host; systemd-nspawn with a network namespace of its own on a bridge. A host can
// be shut down, lose its power, boot again with its disk, and be cut off.
//
// It does not know what is installed on a host (the tests do). It imitates neither
// a lost write after a power loss (the overlay is in the page cache of this
// machine, which goes on), nor a clock of its own, nor slow or lossy networks.
//
// Main types, in reading order: Image, Network, Box.
//
// Each Network and its hosts belong to one test; tests may have theirs side by side, and do:
// they wait more than they work. Commands may run on a Box at once; nothing else may. What
// New and Boot start is gone after the test.
//
// Invariant: what this machine lacks is an error that names it, never a skip.
package hosts
