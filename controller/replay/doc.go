// Package replay makes repeating a request harmless: a caller that gives its
// request a key and never receives the reply sends both again, and the request has
// been done once.
//
// It does not know HTTP (webadmin/api does) or keep anything itself (Store does,
// which controller/store implements). It is a package of its own so that the store and the
// API do not know each other.
//
// Main types, in reading order: Request, Record, Keys.
//
// Keys is safe for concurrent use and starts no goroutine. Requests of one key are
// serialized: the later one waits until the earlier one has ended.
//
// Invariants: what a key was used for first is what it stands for, for Lifetime;
// that a request began is stored before it is done, so that a crash in between is
// seen and never done twice; a secret is never stored.
package replay
