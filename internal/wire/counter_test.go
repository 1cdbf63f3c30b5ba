package wire_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

func TestTake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		numbers []uint64
		fault   string // of the last number
	}{
		"takes what is sent":             {numbers: []uint64{1, 2, 3, 4}},
		"refuses none":                   {[]uint64{0}, "a message without a number where 1 was due"},
		"refuses none later":             {[]uint64{1, 0}, "a message without a number where 2 was due"},
		"refuses a start in the middle":  {[]uint64{2}, "message 2 came where 1 was due"},
		"refuses a gap":                  {[]uint64{1, 2, 4}, "message 4 came where 3 was due"},
		"refuses a repeat":               {[]uint64{1, 2, 2}, "message 2 came again where 3 was due"},
		"refuses an older one":           {[]uint64{1, 2, 3, 1}, "message 1 came again where 4 was due"},
		"refuses the end of the numbers": {[]uint64{1, math.MaxUint64}, "message 18446744073709551615 came where 2 was due"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var counter wire.Counter
			last := len(c.numbers) - 1
			for _, n := range c.numbers[:last] {
				require.NoError(t, counter.Take(n))
			}
			before := counter.Last()
			err := counter.Take(c.numbers[last])
			if c.fault == "" {
				require.NoError(t, err)
				return
			}
			var broken *wire.SequenceError
			require.ErrorAs(t, err, &broken)
			require.EqualError(t, err, c.fault)
			require.Equal(t, before, counter.Last(), "a refused number changes nothing")
		})
	}
}

func TestNextIsWhatTakeExpects(t *testing.T) {
	t.Parallel()
	var out, in wire.Counter
	require.Zero(t, out.Last())
	for range 100 {
		require.NoError(t, in.Take(out.Next()))
	}
	require.Equal(t, uint64(100), in.Last())
}
