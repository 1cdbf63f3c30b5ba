// Package enrolltest has the fakes that tests of enrollment need: a SPIRE server
// in memory and a recorder of changes.
//
// It has no store: that of those tests is the real one. What the real SPIRE does beyond this
// one is tested in spire/server.
//
// Main types, in reading order: SPIRE, Changes, Key. All are safe for concurrent use.
package enrolltest
