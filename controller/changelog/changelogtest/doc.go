// Package changelogtest has a change log in memory, for tests of what follows one, and
// the faults that each part which follows one has to bear.
//
// Main types: Log, Faults, Still.
package changelogtest
