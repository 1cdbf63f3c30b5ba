// Package oidctest runs OpenID providers for tests: Start a certified one
// (oidc-provider under node, in provider/), and Lie one that answers whatever a
// test wants.
//
// It does not test anything itself and is never part of a program.
//
// Main types, in reading order: Provider (Start, SignIn), Liar (Lie).
//
// What Start and Lie begin ends with the test.
package oidctest
