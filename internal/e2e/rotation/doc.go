// Package rotation holds the end-to-end tests of CA rotation: real programs, real
// SPIRE (bin/, see "make build spire"), each test in a world of its own, and the
// real LocalAuthority API under a driver that is killed at every call.
//
// It has no code but tests.
package rotation
