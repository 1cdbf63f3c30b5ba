// Package certs gives the admin listener its certificate: a pair of files that is
// read again when it changes, or ACME.
//
// It asks nobody for a client certificate: SVIDs and host certificates open nothing
// here. It does not decide whether the listener needs TLS (webadmin/api does).
// It is a package of its own so that the API does not link a client of ACME.
//
// Main types, in reading order: Certificate, Files (Load, Run), ACME (OpenACME, Run).
//
// TLS and Certificates may be used while Run runs, by any number of goroutines. Run works
// until its context ends, in the caller's goroutine, and starts no other.
//
// Invariants: a new pair takes the place of the old one whole or not at all; a pair
// that does not fit, or cannot be read or renewed, leaves the old one in use, is logged and
// is in Certificates. A handshake orders no certificate and waits for none.
package certs
