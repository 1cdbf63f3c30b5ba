package sourcelimit_test

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// played is a connection on which bytes arrive, so many at a time.
type played struct {
	net.Conn

	in   *bytes.Reader
	step int
}

func (p played) Read(b []byte) (int, error) { return p.in.Read(b[:min(len(b), p.step)]) }

func frame(kind, flags byte, payload int) []byte {
	return append([]byte{byte(payload >> 16), byte(payload >> 8), byte(payload), kind, flags, 0, 0, 0, 1}, make([]byte, payload)...)
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// read counts what arrives until the end or a cut.
func read(t *testing.T, in []byte, step int) (n int64, cut error) {
	t.Helper()
	var flooded error
	c := sourcelimit.Frames(played{in: bytes.NewReader(in), step: step}, func(reason error) { flooded = reason })
	n, err := io.Copy(io.Discard, struct{ io.Reader }{c})
	if err != nil {
		require.ErrorIs(t, err, sourcelimit.ErrFlood)
		require.ErrorIs(t, flooded, sourcelimit.ErrFlood, "told before the reader is")
		return n, err
	}
	require.NoError(t, flooded)
	return n, nil
}

func TestFramesCutFloods(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent  []byte // again and again
		times int
		cut   bool
	}{
		"rapid resets":                {append(frame(1, 4, 60), frame(3, 0, 4)...), 10_000, true},
		"resets alone":                {frame(3, 0, 4), 5000, true},
		"headers":                     {frame(1, 5, 60), 5000, true},
		"continuations":               {frame(9, 0, 1), 5000, true},
		"settings":                    {frame(4, 0, 0), 5000, true},
		"priorities":                  {frame(2, 0, 5), 5000, true},
		"a type that nobody knows":    {frame(0xfe, 0, 5), 5000, true},
		"pings":                       {frame(6, 0, 8), 30_000, true},
		"empty data":                  {frame(0, 0, 0), 30_000, true},
		"window updates":              {frame(8, 0, 4), 30_000, true},
		"a few streams":               {append(frame(1, 4, 60), frame(3, 0, 4)...), 100, false},
		"data":                        {frame(0, 0, 100), 10_000, false},
		"as many updates as messages": {append(append(frame(0, 0, 100), frame(8, 0, 4)...), frame(6, 1, 8)...), 5000, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := append([]byte(preface), bytes.Repeat(c.sent, c.times)...)
			for _, step := range []int{4096, 7} {
				n, err := read(t, in, step)
				require.Equal(t, c.cut, err != nil)
				if c.cut {
					require.Less(t, n, int64(len(in)))
				} else {
					require.Equal(t, int64(len(in)), n, "nothing is lost")
				}
			}
		})
	}
}

// FuzzFrames: whatever arrives passes unchanged or is cut, however it is divided.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(preface), 1)
	f.Add(append([]byte(preface), frame(1, 4, 3)...), 5)
	f.Add(append([]byte(preface), 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1, 2), 2)
	f.Add(append([]byte(preface), bytes.Repeat(frame(3, 0, 0), 600)...), 11)
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		n, err := read(t, in, max(1, step))
		if err == nil {
			require.Equal(t, int64(len(in)), n)
		}
	})
}
