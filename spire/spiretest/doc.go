// Package spiretest gives tests a real spire-server and real spire-agents.
//
// It holds no fakes: a fake of SPIRE's behaviour belongs beside the interface
// that a domain package declares. Nothing but tests imports it.
//
// Main types, in reading order: Server, HostCA.
//
// Start functions register their own cleanup; when the test ends, no process and
// no goroutine of theirs is left.
package spiretest
