// Package adminsockettest has a local admin socket that every user of the host may
// connect to, so that only the check of the peer is left, and connections of other
// users, for tests.
//
// It does not test anything itself and is never part of a program.
//
// Main types, in reading order: Listen, As, DialAs, Ask.
//
// Everything ends with the test. DialAs needs root and skips the test without.
package adminsockettest
