// Package tokenseal seals an enrollment token to a key of the host it is for, so
// that it can travel where everybody reads along (age, filippo.io/age).
//
// It does not make tokens (controller/enroll does), knows nothing of what it seals
// and keeps no key.
//
// Main functions, in reading order: ParseRecipient, Seal, LoadIdentities, Open.
//
// Pure but for reading identity files; safe for concurrent use.
//
// Invariants: one recipient, an age or an SSH key, never a plugin; nothing is read
// beyond a fixed size, and no header can ask for more work than a few key
// agreements: passwords (scrypt) are not an identity here.
package tokenseal
