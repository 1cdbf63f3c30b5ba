// Package enroll owns one-time enrollment tokens and their redemption: the only
// way into the fleet.
//
// It does not keep the fleet (fleet does), sign certificates (bootstrapca does,
// behind Signer), speak to SPIRE (spire/registrar does, behind SPIRE) or answer
// RPCs (control does).
//
// Main types, in reading order: Token, Service (Create, List, Revoke), Redemption
// and Enrollment (Redeem).
//
// Service is safe for concurrent use and starts no goroutine. Redeem's decision
// is one SQL transaction; the steps after it are idempotent and are repeated by
// the host's retry or by the fleet's reconciler.
//
// Invariants: exactly one key can claim a token; the secret of a token is never
// stored or logged, only its SHA-256; every refusal looks the same to the caller
// and different in the audit log.
package enroll
