// Package attention decides what an operator has to look into: members that are refused
// or away, hosts that wait, certificates that end, a rotation that is held up.
//
// It finds nothing out by itself and mends nothing: presence, fleet, enroll, rotation,
// anchors and audit say how things are. It does not know a page or a colour (webadmin
// does), wake anybody (deploy/prometheus has the alerts) or remember what was.
//
// Main types, in reading order: Item, Board (lists and dismisses), Store.
//
// Board is safe for concurrent use, starts no goroutine and keeps nothing: each list is
// of its moment. It costs as much as there are items, not members.
//
// Invariants: a dismissal is of one state of one item and recorded in the audit log; in
// another state the item is back. Nothing is dismissed that is not there.
package attention
