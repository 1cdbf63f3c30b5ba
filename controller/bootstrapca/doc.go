// Package bootstrapca is the long-lived CA of this project: it signs the TLS
// certificate of the enrollment listener and one host certificate per enrolled
// host, and nothing else. It also enrolls the controller's own host, without a token,
// since the controller is the one who would check it.
//
// It never signs a workload identity (SPIRE does), does not decide who is
// enrolled (enroll does) and runs no agent (spire/hostagent does). Verifying is done by internal/bootstrap on the client
// side, by SPIRE's x509pop attestor and by ServerConfig here.
//
// It can be replaced: Prepare makes a second CA that the first one vouches for,
// Activate has it sign, Retire drops the first. It does not decide when.
//
// Main types, in reading order: CA (Open, SignHost), ServerConfig, Stage, PrepareOwnHost
// and OwnEntry (called once at start; not concurrent).
//
// CA is safe for concurrent use and starts no goroutine; the listener certificate
// is renewed by the handshake that finds it old.
//
// Invariants: the two profiles cannot stand in for each other. A listener has
// serverAuth and one DNS name and no URI; a host has clientAuth and one URI and no
// DNS name. Nothing of a CSR is used but its key. The files alone say which stage it
// is, and a kill between any two writes is mended by Open. The own host keeps its id and
// key after the first start, so SPIRE knows its agent again after any restart.
package bootstrapca
