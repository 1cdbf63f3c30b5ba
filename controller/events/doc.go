// Package events notifies everybody who watches the system that something has changed, at the
// moment when it has.
//
// It does not say what a thing is now (a reader of an event asks for the thing again),
// keep evidence (audit does) or know HTTP (webadmin/api does). What changes the store
// is read from its change log (controller/changelog), so no part of the domain knows
// this package; what time changes is looked for by Run.
//
// Main types, in reading order: Event, Hub (Publish, Subscribe), Subscription, Feed
// (where events come from).
//
// Hub is safe for concurrent use and starts no goroutine; Publish never blocks. Only
// Feed.Run blocks; it joins what it starts and ends with its context.
//
// Invariants: an event names a thing and has no content, so that it can be shown to
// everybody who may read the fleet; a reader that falls behind gets ErrLost and never
// silently skips; ids grow within one run of the program and differ between runs.
package events
