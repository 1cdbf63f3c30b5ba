// Package secret makes and checks the secrets that people carry: enrollment
// tokens and API keys. Each is a readable prefix, 160 random bits in lower-case
// base32 and a checksum that finds a pasting mistake before anything is sent.
//
// It does not know what a secret is good for (enroll and auth do) and stores
// nothing; only a Hash is ever stored.
//
// Main functions, in reading order: New, Check, ReadLine, Hash. All but
// ReadLine are pure or draw randomness; safe for concurrent use.
package secret
