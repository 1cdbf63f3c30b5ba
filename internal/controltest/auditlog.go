package controltest

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// Log is a log that a test makes, honest or not.
type Log struct {
	hashes []tlog.Hash
	signer note.Signer

	Size int64
	Key  string
}

// NewLog returns an empty log with a key of its own.
func NewLog(t testing.TB, origin string) *Log {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	signer, err := note.NewSigner(private)
	require.NoError(t, err)
	return &Log{signer: signer, Key: public}
}

// With is this log grown, or another one if both grow: the key is the same.
func (l *Log) With(t testing.TB, leaves ...string) *Log {
	t.Helper()
	out := &Log{signer: l.signer, Key: l.Key, hashes: append([]tlog.Hash(nil), l.hashes...), Size: l.Size}
	for _, leaf := range leaves {
		h, err := tlog.StoredHashes(out.Size, []byte(leaf), out.reader())
		require.NoError(t, err)
		out.hashes = append(out.hashes, h...)
		out.Size++
	}
	return out
}

func (l *Log) reader() tlog.HashReader {
	return tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, p := range at {
			out[i] = l.hashes[p]
		}
		return out, nil
	})
}

// Sign signs any text.
func (l *Log) Sign(t testing.TB, text string) []byte {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, l.signer)
	require.NoError(t, err)
	return signed
}

// SignText signs what is not a checkpoint, as a controller signs denials.
func (l *Log) SignText(text []byte) ([]byte, error) { return l.signer.Sign(text) }

// Checkpoint is the state of the log.
func (l *Log) Checkpoint(t testing.TB) witness.Checkpoint {
	t.Helper()
	root, err := tlog.TreeHash(l.Size, l.reader())
	require.NoError(t, err)
	return witness.Checkpoint{Origin: l.signer.Name(), Size: l.Size, Root: root}
}

// Offer is the newest checkpoint with a proof from a size; without one where none can be.
func (l *Log) Offer(t testing.TB, from int64) witness.Offer {
	t.Helper()
	o := witness.Offer{VerifierKey: l.Key, Note: l.Sign(t, l.Checkpoint(t).Text())}
	if from <= 0 || from >= l.Size {
		return o
	}
	proof, err := tlog.ProveTree(l.Size, from, l.reader())
	require.NoError(t, err)
	o.From = from
	for _, h := range proof {
		o.Proof = append(o.Proof, append([]byte(nil), h[:]...))
	}
	return o
}

// Empty is a log without records under the same key.
func (l *Log) Empty() *Log { return &Log{signer: l.signer, Key: l.Key} }
