// Package strictyaml reads YAML that people write and keep: one document into a struct,
// whose fields name their keys by yaml tags.
//
// It does not read settings (internal/settings does, with flags and the environment) or
// print (internal/cli does), and knows no document of its own: what a value may be is up to
// its domain.
//
// Read is all there is. It keeps nothing and is safe for concurrent use.
//
// Invariants: what costs more than it is long is refused before anything is made of it
// (aliases, depth, the number of values); nothing is ignored: an unknown key is a fault with
// its line.
package strictyaml
