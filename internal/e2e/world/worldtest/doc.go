// Package worldtest gives an end-to-end test a world that ends with it: everything
// is stopped, the logs of a failed test are shown, no log may hold a secret, and no
// file is left.
//
// It causes no fault and knows no expectation: those are the tests' own. What starts
// the programs is package world.
//
// Main types, in reading order: World, Programs.
//
// Not safe for concurrent use.
package worldtest
