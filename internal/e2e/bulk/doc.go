// Package bulk makes more members than a machine has room for agents: they are
// put straight into the controller's store, and the real spire-server signs their
// SVIDs. It is for tests of what happens after enrollment, and enrolls nobody as a host does.
//
// Main functions: Enroll, NewSigner. Not safe for concurrent use.
package bulk
