// Package crowd makes more members than a machine has room for agents: they are
// put straight into the controller's store, and the real spire-server signs their
// SVIDs. For tests of what happens after enrollment.
//
// Main functions: Enroll, NewSigner. Not safe for concurrent use.
package crowd
