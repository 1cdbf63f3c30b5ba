// Package topic is how one part of a program notifies any number of others that
// something is new.
//
// It does not queue: a subscriber that is slow gets one wake-up for many changes and
// reads what is true then. Whoever must not miss a step reads a log by position
// (controller/changelog) and takes the wake-up as a hint. It is a package of its own so
// that parts of the domain wake one another without a transport.
//
// Main types: Topic, and Hint, which wakes one reader and holds no value.
//
// Both are safe for concurrent use, start no goroutine and never block. The zero value of
// a Topic is ready.
//
// Invariant: a subscriber that was woken and calls Get sees the value that it was
// woken for or a newer one.
package topic
