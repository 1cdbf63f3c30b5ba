// Package authtest is sign-in on a real database with cheap passwords and a clock
// that stands still, for tests.
//
// It does not test anything itself and is never part of a program.
//
// Main types, in reading order: Env, KeyStore (API keys in memory).
//
// Everything is safe for concurrent use and ends with the test.
package authtest
