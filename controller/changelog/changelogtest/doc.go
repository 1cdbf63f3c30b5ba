// Package changelogtest has a change log in memory, for tests of what follows one, and
// the faults that each part which follows one has to bear.
//
// It does not store anything: that the store's own log keeps the same promises is tested in
// controller/store/storetest.
//
// Main types: Log, Faults, Still, Rules.
package changelogtest
