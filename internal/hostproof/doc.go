// Package hostproof is what a host proves with its key when it asks to be let in
// without a token, and the fingerprint by which a person knows its request.
//
// It does not keep requests (controller/enroll does) and sends nothing
// (internal/enrollclient and controller/control do); both sides use it so that
// both compute the same.
//
// Main types, in reading order: Subject (Digest, Fingerprint), Sign, Verify,
// AwaitMessage, SameFingerprint.
//
// Only values; safe for concurrent use.
//
// Invariants: every signed or hashed text begins with a label of its own and each
// field with its length, so that no text can be read as another; the fingerprint
// covers everything an attacker could swap: trust domain, kind, id, host key and
// the certificate of the listener.
package hostproof
