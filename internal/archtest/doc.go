// Package archtest holds the rules of this project's architecture and checks
// them on the parsed source: who imports whom, where each dependency lives, what
// nobody may call, what each package documents, how small one may be, what lies at the top, which
// phrases must not be in texts for operators and users, what joins a goroutine, that
// the walks through the source which docs/walks.md lists are there, and the files that
// documents name.
//
// It checks shape, not behaviour, and it resolves no types; golangci-lint (see
// .golangci.yml) has the rules that need them.
//
// Main types, in reading order: Tree (the parsed source), Rule, Violation.
//
// Everything here is a pure function over a file system.
//
// Invariants: each rule has a file of the same name in testdata whose code breaks
// it, so that a rule which can no longer fail is itself a failure.
package archtest
