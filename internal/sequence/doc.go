// Package sequence is the rule for numbered messages on a stream: the first is 1,
// each next one is one more.
//
// It does not send, count lost messages or end streams: the tunneler's session and
// the connector's relay do, with the Error from here as the reason.
//
// Main types: Counter, Error. Values; a Counter is not safe for concurrent use and
// starts no goroutine.
package sequence
