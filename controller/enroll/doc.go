// Package enroll owns one-time enrollment tokens, how they get to their hosts, and
// the requests of hosts that ask without one: the only ways into the fleet.
//
// It does not keep the fleet (fleet does), sign certificates (bootstrapca does,
// behind Signer), speak to SPIRE (spire/server does, behind SPIRE) or answer
// RPCs (control does).
//
// Main types, in reading order: Token, Service (Create, Revoke), Redemption
// and Enrollment (Redeem); Delivery and Claim (OpenClaim); Request (Ask, Approve,
// Deny, Await); Renewal (Renew).
//
// Service is safe for concurrent use and starts no goroutine; Run sweeps what has
// expired. Redeem's decision is one SQL transaction; the steps after it are
// idempotent and are repeated by the host's retry or by the fleet's reconciler.
//
// Invariants: exactly one key can claim a token; the secret of a token is never
// stored in clear or logged; an approval is a token that only the key of its
// request can redeem; every refusal looks the same to the caller and different in
// the audit log.
package enroll
