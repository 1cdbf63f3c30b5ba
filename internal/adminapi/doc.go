// Package adminapi is the JSON of the admin API: one Go type for each request
// and reply, shared by webadmin/api, which writes them, and adminclient, which
// reads them.
//
// It does not serve (webadmin/api does), call (adminclient does) or check
// anything: what a request may say is decided by webadmin/api and the domain.
//
// Main types, in reading order: TokenRequest and CreatedToken, Token, Request,
// Approval, Connector, Tunneler, CA and Rotation, Status, CurrentSession, Person,
// Key, Problem.
//
// Only values; safe for concurrent use.
//
// Invariants: names are stable, a field is added and never renamed; a time that
// has not come to pass is absent; the secret of a token is in CreatedToken
// and ClaimedToken only.
package adminapi
