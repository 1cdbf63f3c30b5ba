// Package backup writes what a controller needs to live on into one file, while the
// controller runs, and puts it back.
//
// It does not know what a data directory contains (app says so with Contents), does not
// read or change the tables of a database (store does) and does not encrypt: the file
// has the private keys of the controller, and is kept like them.
//
// Main types, in reading order: Contents, Manifest, Make (with Made), Restore (with
// Restored).
//
// Only functions and values. A backup reads the databases each at one moment, and the
// keys before and after that: a set that changed meanwhile is read again.
//
// Invariants: no file is overwritten by Make; Restore verifies the whole file before it
// changes anything, and leaves what was there in a directory beside it; revocations
// that the replaced database knows are carried over, because they only deny; a
// restore that was interrupted is marked, and the controller does not start on it.
package backup
