// Package storetest is the conformance suite of the store: what enroll, fleet,
// policy, audit and controller/auth rely on, whichever database is behind it.
//
// It does not test what only one database does (files, modes, its schema); the
// tests beside that implementation do.
//
// Main types, in reading order: Store (what is tested), Run.
//
// Every test opens its own database through the given function. Nothing here
// starts a goroutine that outlives its test.
package storetest
