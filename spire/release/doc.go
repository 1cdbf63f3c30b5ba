// Package release is the home of the SPIRE that this project ships and tests
// with. Its go.mod pins spire-server and spire-agent as tools; build.sh turns
// the pin into two binaries, or finds ones that are new enough.
//
// It is a module of its own, so that SPIRE's dependency tree (cloud SDKs, some
// 900 packages) never decides a version in ours. Nothing imports it. Our
// programs talk to SPIRE over its APIs only; spire/proc finds and checks the
// binaries at run time.
//
// To move to another SPIRE: in this folder `go get -tool
// github.com/spiffe/spire/cmd/spire-server@vX.Y.Z` and the same for spire-agent,
// then `make spire test`. Raise the minima of spire/proc with it when the older one lacks
// something that we rely on. The module previous pins the release before, whose agent
// a test runs beside our server: move it too.
package release
