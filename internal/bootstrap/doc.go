// Package bootstrap is the trust a host has before it has an identity: the
// bootstrap CA, whose certificates the operator hands out as CONTROLLER_CA_PATH.
//
// It does not issue certificates (controller/bootstrapca does), does not speak the
// enrollment protocol (internal/enrollclient does) and has nothing to do with the
// runtime trust bundle (internal/mtls): no certificate of one root is ever
// accepted where the other is asked for.
//
// Main functions, in reading order: LoadAnchors, ClientConfig. Both are pure but
// for reading files, and safe for concurrent use.
//
// Invariants: TLS 1.3; the listener is known by one fixed name and by serverAuth,
// never by its address, so a host certificate cannot pass for the listener.
package bootstrap
