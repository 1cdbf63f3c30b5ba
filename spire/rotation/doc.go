// Package rotation is the client of SPIRE's LocalAuthority API: which X.509
// authorities the server has, and the four calls that replace one. Client
// implements rotation.SPIRE of controller/rotation.
//
// It does not decide when to make a call or wait for anybody (controller/rotation
// does), and knows no upstream authority but that there is one.
//
// Main type: Client.
//
// Client is safe for concurrent use and has no connection of its own. Each call
// has a deadline of its own.
//
// Invariant: no call is repeated here. The API is not idempotent: a second
// prepare leaves the first authority trusted until it expires.
package rotation
