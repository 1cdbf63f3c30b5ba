// Package documents holds the tests that paste the commands of README.md, CONTRIBUTING.md
// and docs/ into a shell: each block of sh runs here as it stands, or is in a list with
// the reason why not. Whoever adds a block finds this test failing until it is in one. It does
// not check what else the documents say.
//
// The shell has a network and processes of its own (unshare, as root), a controller with
// an embedded SPIRE where the block needs one, and the programs of bin/ (make build).
package documents
