package witness_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

func judged(t testing.TB, k witness.Kept, o witness.Offer) witness.Kept {
	t.Helper()
	k, err := k.Judge(o)
	require.NoError(t, err)
	return k
}

func TestJudgeFollowsALogThatGrows(t *testing.T) {
	t.Parallel()
	log := controltest.NewLog(t, "td/audit")
	var k witness.Kept
	for range 40 {
		from := k.Checkpoint.Size
		log = log.With(t, "x", "y")
		k = judged(t, k, log.Offer(t, from))
		require.Equal(t, log.Size, k.Checkpoint.Size)
		require.Equal(t, k, judged(t, k, log.Offer(t, 0)), "the same again changes nothing")
	}
}

func TestJudgeRefuses(t *testing.T) {
	t.Parallel()
	log := controltest.NewLog(t, "td/audit").With(t, "a", "b", "c", "d", "e")
	grown := log.With(t, "f", "g", "h")
	fork := log.Empty().With(t, "a", "b", "C", "d", "e")
	stranger := controltest.NewLog(t, "td/audit").With(t, "a", "b", "c", "d", "e", "f")
	k := judged(t, witness.Kept{}, log.Offer(t, 0))
	change := func(o witness.Offer, fn func(*witness.Offer)) witness.Offer { fn(&o); return o }

	for name, c := range map[string]struct {
		offer witness.Offer
		want  error
	}{
		"a forged signature": {change(grown.Offer(t, 5), func(o *witness.Offer) {
			o.Note = []byte(strings.Replace(string(o.Note), "\n8\n", "\n9\n", 1))
		}), witness.ErrSignature},
		"a signature of another key under our name": {change(stranger.Offer(t, 5), func(o *witness.Offer) { o.VerifierKey = log.Key }), witness.ErrSignature},
		"another key":                                {stranger.Offer(t, 5), witness.ErrOtherKey},
		"no signature":                               {change(grown.Offer(t, 5), func(o *witness.Offer) { o.Note = []byte(grown.Checkpoint(t).Text()) }), witness.ErrSignature},
		"another log under the same key":             {change(grown.Offer(t, 5), func(o *witness.Offer) { c := grown.Checkpoint(t); c.Origin = "other"; o.Note = log.Sign(t, c.Text()) }), witness.ErrSignature},
		"a smaller tree":                             {log.Empty().With(t, "a", "b").Offer(t, 0), witness.ErrSmaller},
		"a fork of the same size":                    {fork.Offer(t, 0), witness.ErrFork},
		"a fork that has grown":                      {fork.With(t, "f", "g").Offer(t, 5), witness.ErrProof},
		"a proof for another size":                   {grown.Offer(t, 4), witness.ErrProof},
		"a proof that says another size than it has": {change(grown.Offer(t, 4), func(o *witness.Offer) { o.From = 5 }), witness.ErrProof},
		"no proof":                                   {grown.Offer(t, 0), witness.ErrProof},
		"a proof cut short":                          {change(grown.Offer(t, 5), func(o *witness.Offer) { o.Proof = o.Proof[1:] }), witness.ErrProof},
		"a proof with a hash more":                   {change(grown.Offer(t, 5), func(o *witness.Offer) { o.Proof = append(o.Proof, o.Proof[0]) }), witness.ErrProof},
		"a hash of another length":                   {change(grown.Offer(t, 5), func(o *witness.Offer) { o.Proof = [][]byte{{1}} }), witness.ErrMalformed},
		"an oversized note":                          {change(grown.Offer(t, 5), func(o *witness.Offer) { o.Note = make([]byte, witness.MaxNote+1) }), witness.ErrTooLarge},
		"an oversized key":                           {change(grown.Offer(t, 5), func(o *witness.Offer) { o.VerifierKey = strings.Repeat("x", witness.MaxKey+1) }), witness.ErrTooLarge},
		"an oversized proof":                         {change(grown.Offer(t, 5), func(o *witness.Offer) { o.Proof = make([][]byte, witness.MaxHashes+1) }), witness.ErrTooLarge},
		"an empty offer":                             {witness.Offer{VerifierKey: log.Key}, witness.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := k.Judge(c.offer)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, k, got, "and keeps what it had")
		})
	}
	t.Run("a first offer is not believed without a good signature", func(t *testing.T) {
		t.Parallel()
		for _, o := range []witness.Offer{{}, {VerifierKey: "x", Note: grown.Offer(t, 0).Note}, change(grown.Offer(t, 0), func(o *witness.Offer) { o.VerifierKey = stranger.Key })} {
			got, err := witness.Kept{}.Judge(o)
			require.Error(t, err)
			require.Zero(t, got)
		}
	})
}

func TestParseCheckpointHasOneSpelling(t *testing.T) {
	t.Parallel()
	root := tlog.RecordHash(nil).String()
	for name, text := range map[string]string{
		"nothing": "", "no root": "o\n1\n", "no newline at the end": "o\n1\n" + root, "no origin": "\n1\n" + root + "\n",
		"size 0": "o\n0\n" + root + "\n", "a negative size": "o\n-1\n" + root + "\n", "a plus": "o\n+1\n" + root + "\n",
		"a leading zero": "o\n01\n" + root + "\n", "a size that overflows": "o\n9223372036854775808\n" + root + "\n",
		"a size of no log": "o\n999999999999999999\n" + root + "\n", "a short root": "o\n1\nAAAA\n", "a root of no base64": "o\n1\n" + root[1:] + "*\n",
		"too long": "o\n1\n" + root + "\n" + strings.Repeat("x\n", witness.MaxNote),
	} {
		_, err := witness.ParseCheckpoint(text)
		require.ErrorIs(t, err, witness.ErrMalformed, name)
	}
	c, err := witness.ParseCheckpoint("o\n7\n" + root + "\nextension\n")
	require.NoError(t, err)
	require.Equal(t, "o\n7\n"+root+"\n", c.Text())
}

func TestFile(t *testing.T) {
	t.Parallel()
	log := controltest.NewLog(t, "td/audit").With(t, "a", "b")
	o := log.Offer(t, 0)
	f := witness.File{Connector: "c", VerifierKey: o.VerifierKey, Checkpoint: string(o.Note), WitnessedAt: time.Unix(1, 0).UTC(), Covered: 1, Failure: "x"}
	path := filepath.Join(t.TempDir(), witness.FileName)
	require.NoError(t, f.Save(path))
	got, err := witness.Load(path)
	require.NoError(t, err)
	require.Equal(t, f, got)

	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"a changed checkpoint": strings.Replace(string(raw), `td/audit\n2`, `td/audit\n3`, 1),
		"an unknown field":     strings.Replace(string(raw), `"connector"`, `"konnector"`, 1),
		"two":                  string(raw) + string(raw),
		"cut short":            string(raw[:len(raw)/2]),
	} {
		_, err := witness.Parse([]byte(text))
		require.Error(t, err, name)
	}
	kept, err := witness.Retire(path, time.Unix(0, 0))
	require.NoError(t, err)
	_, err = witness.Load(kept)
	require.NoError(t, err, "it stays as evidence")
	_, err = witness.Load(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func FuzzJudge(f *testing.F) {
	log := controltest.NewLog(f, "td/audit").With(f, "a", "b", "c")
	k, err := witness.Kept{}.Judge(log.Offer(f, 0))
	require.NoError(f, err)
	o := log.With(f, "d", "e").Offer(f, 3)
	var proof []byte
	for _, h := range o.Proof {
		proof = append(proof, h...)
	}
	f.Add(o.VerifierKey, o.Note, o.From, proof)
	f.Add("", []byte("a\n1\n"), int64(-1), []byte{1})
	f.Fuzz(func(t *testing.T, key string, text []byte, from int64, proof []byte) {
		offer := witness.Offer{VerifierKey: key, Note: text, From: from}
		for len(proof) > 0 {
			n := min(len(proof), tlog.HashSize)
			offer.Proof, proof = append(offer.Proof, proof[:n]), proof[n:]
		}
		next, err := k.Judge(offer)
		if err != nil {
			require.Equal(t, k, next)
			return
		}
		require.Equal(t, k.VerifierKey, next.VerifierKey)
		require.GreaterOrEqual(t, next.Checkpoint.Size, k.Checkpoint.Size)
		_, _ = witness.Kept{}.Judge(offer)
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"connector":"c"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if file, err := witness.Parse(raw); err == nil {
			_, err := file.Kept()
			require.NoError(t, err)
		}
	})
}
