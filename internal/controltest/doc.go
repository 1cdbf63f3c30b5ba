// Package controltest plays the controller for tests of those who follow one, and follows
// one for tests of a controller.
//
// It decides nothing: it makes policies, directories, checkpoints and proofs as a test
// wants them, honest or not. Nothing but tests imports it.
//
// Main types and functions, in reading order: Policy and Directory (whole updates),
// Tunnelers and Connectors (the receiving ends), Log (an audit log, honest or not).
//
// Everything is a value of one test; nothing starts a goroutine.
package controltest
