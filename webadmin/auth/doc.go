// Package auth says who calls the admin API. Today that is an API key; sign-in of
// people (sessions, TOTP, OIDC) will live here too.
//
// It does not decide which permission a route needs (its row in webadmin/api does),
// limit failures (webadmin/api does) or store keys (controller/store does, behind
// Store and BootstrapStore).
//
// Main types, in reading order: Permission, Role, Principal, Key, Keys
// (Authenticate), RefusedError, EnsureBootstrapKey.
//
// Keys is safe for concurrent use and starts no goroutine.
//
// Invariants: only the SHA-256 of a key is stored; every refusal has the same
// text, the reason is for the audit log only; a failing store is never a refusal.
package auth
