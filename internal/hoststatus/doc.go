// Package hoststatus is what a running connector or tunneler says of itself at
// /status of its health listener: who it is, what it holds, whom it is connected to.
// `grpcconnector status` and `doctor` read it, with or without root.
//
// It does not find anything out (the app packages fill it in) and judges nothing: the
// checks in it are those of /readyz. What the commands print is internal/hostcmd.
//
// Main types, in reading order: Document (the shape, stable, documented in
// docs/health.md), Publisher (the program's side), Fetch (the reader's side), Kept
// (whether the state directory takes what should survive a restart).
//
// Publisher and Kept are safe for concurrent use and start no goroutine.
//
// Invariants: no secret is in a Document; its size is bounded whatever peers do, and
// so is what Fetch reads; a text of a peer is one printable line.
package hoststatus
