// Package directory follows the controller's directory: which connectors this
// tunneler may use, where they are and whom to expect there. It keeps the newest
// one on disk, so that a tunneler starts while the controller is away.
//
// It does not connect to connectors (session does) and does not decide who may
// use one: each connector enforces the policy itself, whatever is on our disk.
//
// Main types, in reading order: Directory, Choose (which connectors to use),
// Watcher.
//
// Watcher is safe for concurrent use. New starts nothing; Run blocks and has
// joined its goroutines when it returns.
//
// Invariants: an entry whose SPIFFE ID is not a connector of our trust domain is
// left out, so that a session never expects anything else; a connector is only
// dialed together with the SPIFFE ID that the directory names for it.
package directory
