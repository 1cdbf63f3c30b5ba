// Package adminclient calls the admin API: for the commands in admincmd and for
// tests of the whole system.
//
// It does not define the JSON (internal/adminapi does), find the key or the
// address (admincmd does), or repeat a call that failed.
//
// Main types, in reading order: Target (a local socket, or an address and a key),
// Client, ListOptions, Error.
//
// Client is safe for concurrent use and starts no goroutine; Close frees its idle
// connections.
//
// Invariants: the key is sent to the configured address only (no redirect is
// followed), never in clear text over a network and never to a local socket; a reply is read up to a cap.
package adminclient
