// Package anchors drives the replacement of the bootstrap CA: when the second anchor is
// made, when it signs, and when the first one goes.
//
// It does not make or keep the CA (bootstrapca does), push anything to hosts (each asks
// every ten seconds: control answers, and passes what the host says to Note) and does not
// renew certificates (enroll does).
//
// Main types, in reading order: Record, Report, Manager (New, Start, Abort, Note, Run).
//
// Manager is safe for concurrent use. Run blocks and starts no goroutine.
//
// Invariants: each step is repeated until it is done, in whichever life of the program;
// no anchor signs before the SPIRE server and every host that is here trust it; none is
// dropped before every host that is here has a certificate of its successor. A host that
// is away, or was skipped at a deadline, gets in later by itself.
package anchors
