package audit

import (
	"context"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Hashes reads the stored hashes of the log, by tlog's positions. A hash that is
// not there is an error.
type Hashes interface {
	AuditHashes(ctx context.Context, positions []int64) ([]tlog.Hash, error)
}

// reader is the log for one call of tlog: what this batch added, then the store.
type reader struct {
	ctx   context.Context //nolint:containedctx // tlog.HashReader takes none; a reader lives for one call
	store Hashes
	added map[int64]tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (r reader) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(positions))
	var ask, where []int64
	for i, p := range positions {
		if h, ok := r.added[p]; ok {
			out[i] = h
			continue
		}
		ask, where = append(ask, p), append(where, int64(i))
	}
	if len(ask) == 0 {
		return out, nil
	}
	got, err := r.store.AuditHashes(r.ctx, ask)
	if err != nil {
		return nil, err
	}
	if len(got) != len(ask) {
		return nil, fmt.Errorf("audit log: %d of %d hashes", len(got), len(ask))
	}
	for i, h := range got {
		out[where[i]] = h
	}
	return out, nil
}

// edge is the right edge of a growing tree: enough to hash it anew from the first
// record on, in memory of the tree's height.
type edge struct {
	size   int64
	levels [64]tlog.Hash // of the last complete subtree of each height
}

// add appends a leaf and returns the hashes that tlog stores for it.
func (e *edge) add(leaf tlog.Hash) []tlog.Hash {
	out := []tlog.Hash{leaf}
	h, level := leaf, 0
	for ; e.size>>level&1 == 1; level++ {
		h = tlog.NodeHash(e.levels[level], h)
		out = append(out, h)
	}
	e.levels[level] = h
	e.size++
	return out
}

// root is the hash of the tree; of an empty one it is that of no bytes.
func (e *edge) root() tlog.Hash {
	if e.size == 0 {
		h, _ := tlog.TreeHash(0, nil) // reads nothing
		return h
	}
	low := bits.TrailingZeros64(uint64(e.size)) //nolint:gosec // never negative
	h := e.levels[low]
	for level := low + 1; e.size>>level != 0; level++ {
		if e.size>>level&1 == 1 {
			h = tlog.NodeHash(e.levels[level], h)
		}
	}
	return h
}
