// Package certs gives the admin listener its certificate: a pair of files that is
// read again when it changes, or ACME.
//
// It asks nobody for a client certificate: SVIDs and host certificates open nothing
// here. It does not decide whether the listener needs TLS (webadmin/api does).
// It is a package of its own so that the API does not link a client of ACME.
//
// Main types, in reading order: Files (Load, Run), ACME.
//
// TLS of Files may be used while Run runs. Run reads until its context ends, in the
// caller's goroutine.
//
// Invariants: a new pair takes the place of the old one whole or not at all; a pair
// that does not fit, or cannot be read, leaves the old one in use and is logged.
package certs
