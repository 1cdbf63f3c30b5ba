// Package changelog is how the parts of a controller learn what has changed in its
// database: the words of the log, and Follower, which reads it.
//
// It does not write the log (each transaction of controller/store does, with the
// change itself), say what a thing is now (a reader asks for it by id) or hold what
// only lives in memory, such as presence (presence.Roster does).
//
// Main types, in reading order: Change, Log (what store.Store is), Reader (what
// follows), Follower, Pruner.
//
// Follower is safe for concurrent use; one step runs at a time. Run blocks and starts
// no goroutine.
//
// Invariants: positions have no holes and grow in the order of the commits; a Follower
// moves its position only after its Reader has taken what is before it, so that a
// Reader gets everything at least once; a wake-up makes it soon, and a lost one costs
// at most a second; one whose position is no longer in the log reads everything anew.
package changelog
