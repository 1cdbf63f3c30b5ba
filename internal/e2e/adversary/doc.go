// Package adversary plays the incidents that made other products of this kind
// fail: one test for each, named after what must hold here, with the incident in
// its comment. For each test testdata/mutants has the patch that removes its
// defence; `make mutants` applies one after the other and requires that this test
// fails, so that a test which checks nothing is noticed. `make soak` requires too that
// no other fails. A patch may name a test of another package ("# test: PACKAGE TestName").
//
// It does not test the programs as processes or real SPIRE (the packages beside it
// do): controller, connector and the links between them are the real packages in
// this process, with real TLS, gRPC and SQLite, and SPIRE in memory. Incidents of
// what is not built have no test here: an audience and a URL in an enrollment token
// (ours is opaque and has neither), DNS.
//
// It has tests only; world_test.go is the system they attack.
package adversary
