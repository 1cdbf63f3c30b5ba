// Package chain tests the whole way of a change in fake time: the publisher, a real
// control listener, a link that loses, doubles, swaps and repeats messages, a real
// connector with its files, and tunnelers that open sessions there.
//
// Only the rows of the store are in memory, because the store has tests of its own. It
// has tests only, and no code for others. What each fault ends in is listed in docs/fleet.md.
package chain
