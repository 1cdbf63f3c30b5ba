// Package reprooftest is the gRPC server of a test that plays a controller or a
// connector: what dials it expects to prove itself, and to have it proven.
//
// It does not play a dishonest peer; the tests of internal/reproof do that.
//
// Main function: NewServer. Nothing here starts a goroutine.
package reprooftest
