// Package auth says who calls the admin API: a person with a session, or a program
// with an API key, an access token that it got for one, or the token of a command line
// that a person signed in. It also keeps who these are: people with their passwords, second factors, setup links and sessions, keys
// and the keys that sign access tokens.
//
// It does not decide which permission a route needs (its row in webadmin/api does),
// talk to an identity provider (controller/auth/oidc does), know HTTP and cookies
// (webadmin/api does) or SQL (controller/store does, behind Store).
//
// Main types, in reading order: Permission, Role, Principal; Auth and its parts
// Sessions (SignIn, Authenticate, StepUp), People (setup links, Create, Update),
// Account (what people change of themselves), Keys (Authenticate, Exchange), Devices (the device flow); Declare;
// Person, Session, Key, Store.
//
// Everything is safe for concurrent use and starts no goroutine.
//
// Invariants: of passwords, sessions, setup links, recovery codes and API keys only
// hashes are stored, TOTP seeds and signing keys only sealed; a change and its
// audit event are one transaction; every refusal has the same text, the reason is
// for the audit log only; a failing store is never a refusal and never an entry; an
// attempt counts as failed before it is checked; one owner with a password remains.
package auth
