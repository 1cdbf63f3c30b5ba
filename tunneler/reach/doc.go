// Package reach keeps what the controller said that this tunneler may reach: for people, for
// names that stand for a target, and to ask the right network first.
//
// It decides nothing: the connector does, whatever is listed here, and what is not listed
// may be asked for all the same. It does not follow the controller (tunneler/directory
// does) or open flows (internal/flow does).
//
// Main types, in reading order: Resource, List (an immutable list, with an index), Keeper (the
// newest one, made of what arrives).
//
// Keeper is safe for concurrent use; nothing here starts a goroutine or does I/O.
//
// Invariants: a list is taken whole or not at all; a resource is not listed after its end,
// also while the controller is away; an alias never takes the place of a target that is
// reachable itself.
package reach
