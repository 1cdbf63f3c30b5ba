// Package changelogtest has a change log in memory, for tests of what follows one.
//
// Main types: Log, Still.
package changelogtest
