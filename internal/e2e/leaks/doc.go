// Package leaks looks for secrets where none may be: in what the programs of a test
// wrote to their logs.
//
// It does not collect the logs, and does not stop anything.
//
// Main types, in reading order: Search, Check (at the end of a world).
//
// A secret is found by its form wherever it has one: a token, key, session or link of
// ours has a prefix and a checksum, a private key its PEM, an access token three parts.
// The others are known: those that the test names (passwords, codes), and those that
// lie in files on the disk of the world, in any encoding that a log line might have
// them in.
package leaks
