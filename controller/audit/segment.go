package audit

import (
	"math/bits"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// The log is cut into segments of SegmentSize events, each a complete subtree. Retention
// removes whole segments; what stays of one is its root, which is the hash of that subtree.
const (
	segmentLevel = 12
	SegmentSize  = 1 << segmentLevel
)

// Segment is a complete segment whose events are still there.
type Segment struct {
	Number int64
	Bytes  int64     // of its leaves, with what indexes and hashes take
	Newest time.Time // of its events
}

// perRecord is about what the columns, indexes and hashes of an event take beside its leaf.
const perRecord = 400

func segmentStart(n int64) int64     { return n << segmentLevel }
func wholeSegments(size int64) int64 { return size >> segmentLevel }

// SegmentRootAt is the position of the root of a segment among the stored hashes.
func SegmentRootAt(n int64) int64 { return tlog.StoredHashIndex(segmentLevel, n) }

// cover lists the positions of the largest complete subtrees that make up the records
// from..to-1, from left to right.
func cover(from, to int64) (positions []int64) {
	for from < to {
		level := 62
		if from > 0 {
			level = bits.TrailingZeros64(uint64(from))
		}
		for from+1<<level > to || 1<<level > to {
			level--
		}
		positions = append(positions, tlog.StoredHashIndex(level, from>>level))
		from += 1 << level
	}
	return positions
}

// proofPositions are the hashes within segment n that a proof needs from a tree of this size,
// which ends in the segment, to any longer one.
func proofPositions(n, size int64) []int64 {
	if size <= segmentStart(n) || size >= segmentStart(n+1) {
		return nil
	}
	return append(cover(segmentStart(n), size), cover(size, segmentStart(n+1))...)
}

// A connector writes its witness file up to a minute after it has answered, so after a power
// loss it may hold a checkpoint from before the one that it is known to have.
const (
	heldBefore = 10 * time.Minute
	heldAfter  = time.Minute
)

// heldPositions are the hashes of segment n that stay when it is archived: those that prove
// that the log only grew since a checkpoint that a witness may hold.
func heldPositions(n int64, witnesses []Witness, checkpoints []SignedCheckpoint) map[int64]bool {
	keep := map[int64]bool{}
	hold := func(size int64) {
		for _, p := range proofPositions(n, size) {
			keep[p] = true
		}
	}
	answered := make([]time.Time, 0, len(witnesses))
	for _, w := range witnesses {
		hold(w.Size)
		answered = append(answered, w.At)
	}
	slices.SortFunc(answered, time.Time.Compare)
	for _, c := range checkpoints {
		at, _ := slices.BinarySearchFunc(answered, c.Time.Add(-heldAfter), time.Time.Compare)
		if at < len(answered) && !answered[at].After(c.Time.Add(heldBefore)) {
			hold(c.Size)
		}
	}
	return keep
}
