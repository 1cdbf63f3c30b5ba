// Package envfile reads and edits the files of KEY=VALUE lines that systemd takes as
// EnvironmentFile=. One file is read by systemd, which gives the values to a program,
// and by our commands, which say what the program would do: both must see the same.
//
// The grammar is systemd's, with its quotes, its escapes, lines continued by a
// backslash and comments that begin with # or ;. Nothing in a value is expanded. What
// systemd drops without a word (a line without "=", "export KEY"), what its releases
// read differently (a comment that ends in a backslash) and what is almost surely a
// mistake (a comment behind a value) is a fault with the number of its line.
//
// It knows no key and no file: internal/settings and internal/hostcmd do.
//
// Main types, in reading order: Setting and Fault (what Parse returns), Entry (what
// Merge sets), Quote. All are values; nothing here keeps state.
//
// Invariants: a Fault never quotes the text, which may hold a token; what Quote writes
// is read back as itself and as one line.
package envfile
