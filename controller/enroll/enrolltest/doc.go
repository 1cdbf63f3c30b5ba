// Package enrolltest has the fakes that tests of enrollment need: a SPIRE server
// in memory and a recorder of changes. The store in those tests is the real one.
package enrolltest
