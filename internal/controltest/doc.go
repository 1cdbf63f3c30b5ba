// Package controltest plays the controller for tests of those who follow one, and follows
// one for tests of a controller.
//
// It decides nothing: it makes policies, directories, checkpoints, proofs and downloads as a
// test wants them, honest or not. Nothing but tests imports it.
//
// Main types and functions, in reading order: Policy and Directory (whole updates),
// Tunnelers and Connectors (the receiving ends), Log (an audit log), Shop (what a host is
// installed from: small programs, which it can offer wrong in any way), ListenAdmin (a
// local admin socket that every user may connect to, so that only the check of the peer is
// left) and AsUser (another user; it needs root and skips the test without).
//
// Everything is of one test; the fields of a Shop may be changed between two runs, and its
// handler reads them while one runs. NewShop starts a server, which ends with the test.
package controltest
