// Package api is the admin HTTP API: it authenticates a caller, checks and
// translates a request, calls one method of the domain and renders its answer.
//
// It does not decide anything about tokens (controller/enroll does) or members
// (controller/fleet does), know API keys (controller/auth does) or define the JSON
// (internal/adminapi does).
//
// Main types, in reading order: Config, Server, operation (one row is one route,
// who may use it, and its documentation), Server.operations (all of them; each group
// stands beside its handlers), problem.go (every error a caller sees).
//
// Handlers run concurrently and share only failures, which locks. New opens the
// listener; Run serves, joins its goroutines and closes it; Close is for a Server
// that will not run.
//
// Invariants: without TLS it listens on loopback only, unless the operator set
// admin.insecure_listen; a route without a row
// in the table of operations is refused; a key is taken from the Authorization header and from nowhere
// else, so a page of another origin has nothing to send (no CSRF, no rebinding);
// no token, key, path or query reaches the log; nothing in a request is corrected.
package api
