package witness

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Offer is a newer checkpoint, with the proof that it extends an older one.
type Offer struct {
	VerifierKey string
	Note        []byte
	From        int64    // the size that the proof begins at; 0 without a proof
	Proof       [][]byte // RFC 6962 consistency proof
}

// Kept is what a witness holds: the newest checkpoint that it verified, and under
// which key. The zero value has witnessed nothing.
type Kept struct {
	VerifierKey string
	Note        string
	Checkpoint  Checkpoint
}

// Judge verifies an offer against what was witnessed, and returns what to keep
// from now on. It never believes what the log says of itself: key and tree must
// be those of the first look, and each tree must contain the one before.
func (k Kept) Judge(o Offer) (Kept, error) {
	proof, err := o.proof()
	if err != nil {
		return k, err
	}
	if k.VerifierKey != "" && o.VerifierKey != k.VerifierKey {
		return k, ErrOtherKey
	}
	c, err := Open(o.Note, o.VerifierKey)
	if err != nil {
		return k, err
	}
	next := Kept{VerifierKey: o.VerifierKey, Note: string(o.Note), Checkpoint: c}
	was := k.Checkpoint
	switch {
	case was.Size == 0: // the first look
		return next, nil
	case c.Size < was.Size:
		return k, fmt.Errorf("%w: %d records, %d were witnessed", ErrSmaller, c.Size, was.Size)
	case c.Size == was.Size && c.Root != was.Root:
		return k, fmt.Errorf("%w: at %d records", ErrFork, c.Size)
	case c.Size == was.Size:
		return k, nil
	case o.From != was.Size:
		return k, fmt.Errorf("%w: the proof begins at %d records, %d were witnessed", ErrProof, o.From, was.Size)
	}
	if err := tlog.CheckTree(proof, c.Size, c.Root, was.Size, was.Root); err != nil {
		return k, fmt.Errorf("%w: from %d to %d records", ErrProof, was.Size, c.Size)
	}
	return next, nil
}

// proof checks the sizes of everything before anything is decoded.
func (o Offer) proof() (tlog.TreeProof, error) {
	if len(o.Note) > MaxNote || len(o.VerifierKey) > MaxKey || len(o.Proof) > MaxHashes {
		return nil, ErrTooLarge
	}
	out := make(tlog.TreeProof, 0, len(o.Proof))
	for _, h := range o.Proof {
		if len(h) != tlog.HashSize {
			return nil, fmt.Errorf("%w: a hash of %d bytes", ErrMalformed, len(h))
		}
		out = append(out, tlog.Hash(h))
	}
	return out, nil
}
