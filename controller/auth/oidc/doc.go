// Package oidc lets an OpenID provider say who somebody is: authorization code with
// PKCE, as a confidential client.
//
// It does not make people or sessions (controller/auth does) and knows no HTTP server
// (webadmin/api has the two routes).
//
// Main types, in reading order: Config, Provider (Start, Finish), Finished.
//
// Provider is safe for concurrent use and starts no goroutine. It asks the provider
// for its configuration when the first person signs in, and again after a failure:
// a provider that is down keeps nobody else out and no program from starting.
//
// Invariants: what happened between Start and Finish is in a sealed cookie of the
// same browser (state, nonce, PKCE verifier, where to go), so an answer of another
// browser's flow is refused; only asymmetric algorithms that we name are accepted;
// issuer, audience, authorized party, nonce and expiry are checked; the way back is
// a path of ours and never another site.
package oidc
