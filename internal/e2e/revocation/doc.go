// Package revocation measures how long a revoked tunneler keeps its connection: from
// the call of the admin API to the end of its socket. Controller, SPIRE and
// connector are the real programs; the tunnelers are many, in one process.
//
// It has tests only, and no code for others; `make bench-revoke` runs them at full size.
package revocation
