// Package mtlstest makes X509-SVIDs for tests, good ones and every kind of bad
// one, an Identity that swaps them as mtls.Source would, and a gRPC server whose clients
// re-prove (internal/reproof).
//
// It does not talk to a Workload API (the end-to-end tests run a real one).
//
// Main types, in reading order: CA, Option, Identity. All are safe for concurrent
// use; nothing here starts a goroutine.
package mtlstest
