// Package relayed follows what a tunneler says through a connector to the
// controller: the real inlet, the real outbox and the real handler, with real TLS and
// gRPC over connections in memory. Its fuzz test says anything at all and requires
// that nobody but the sender notices.
//
// It does not test what each of the two refuses (connector/relay and
// controller/control do) or real SPIRE.
//
// It has tests only.
package relayed
