// Package enrollclient is the host's side of enrollment: it spends an enrollment
// token for a host certificate, or asks for one without a token, and fetches the
// trust bundle, all over the bootstrap trust.
//
// It does not run spire-agent (spire/hostagent does, from the files written here)
// and holds no workload identity: the key it makes is the host's, and the
// workload's own key never leaves the Workload API.
//
// Main types, in reading order: Token and TokenSource (where a token comes from),
// Config, Client (Enroll, RequestEnrollment), Request, Pending, ErrRefused.
//
// Client is safe for concurrent use, except that two enrollments into one host
// directory at a time are the caller's mistake. Nothing here starts a goroutine.
//
// Invariants: the host key is on the disk before the first byte is sent, and
// every retry uses it, so that a lost reply burns nothing; host.crt is written
// last, so that its presence means that the enrollment is complete; a token is in
// no error, no log and no file.
package enrollclient
