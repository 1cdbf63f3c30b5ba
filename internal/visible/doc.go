// Package visible says which characters a person sees, and checks by it what people type:
// names and notes, which others compare by eye.
//
// It does not decide how long a text may be or whether it may be empty (its callers do),
// and draws nothing: internal/cli escapes what a terminal would obey.
//
// In reading order: Rune, which is the one definition; Text and Only of what other
// programs said; Line and Lines of what a person typed, with a reason for that person.
//
// Pure functions, safe for concurrent use. It imports nothing of ours, so that the
// domain, the control plane and the command line use the same definition without one
// another.
//
// Invariants: a Line is Text; Only returns Text; nothing that is Text is blank unless it
// consists of spaces.
package visible
