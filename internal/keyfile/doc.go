// Package keyfile keeps an ECDSA P-256 key in a PEM file (PKCS#8) of mode 0600.
//
// It does not decide when a key is made: a key that is missing where one was before
// is an error of its callers. The audit log's Ed25519 key has another format
// (controller/audit), keys that encrypt are in internal/seal.
//
// Functions, in reading order: Load, Make. They keep no state.
//
// Invariants: Make has name and content on the disk when it returns; an error never
// quotes a key.
package keyfile
