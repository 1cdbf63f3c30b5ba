// Package clockskew names the clock where it is at fault: certificates that are not
// valid yet, or not any more, because two machines do not agree what time it is.
//
// It asks nobody what time it is (internal/enrollclient asks the controller, over a
// verified connection) and sets no clock.
//
// Main types and functions, in reading order: Ahead, Between, Suspect, Hint.
//
// All of it is pure functions over values; safe for concurrent use.
//
// Invariant: a text about a certificate that is out of its time has the word "clock"
// and the time on this host.
package clockskew
