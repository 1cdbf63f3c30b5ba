package control

import (
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
)

// asked signs with how often it was asked.
type asked struct{ times int }

func (a *asked) SignText([]byte) ([]byte, error) {
	a.times++
	return []byte{byte(a.times)}, nil
}

// TestSignaturesAreKeptAsLongAsTheirDenials: each is made once, and those of denials that
// are over are dropped. White-box, because nobody sees what is kept.
func TestSignaturesAreKeptAsLongAsTheirDenials(t *testing.T) {
	t.Parallel()
	const live = 10
	by := &asked{}
	s := signatures{by: by}
	e := denial.Entry{ID: spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/t-1"), SVIDNotBefore: time.Now()}
	var all []fleet.Denial
	for seq := uint64(1); seq <= 20*live; seq++ {
		all = append(all, fleet.Denial{Seq: seq})
		all = all[max(0, len(all)-live):]
		_, err := s.sign(e, seq, all)
		require.NoError(t, err)
		require.LessOrEqual(t, len(s.made), live)
	}
	require.Equal(t, 20*live, by.times)
	for _, d := range all {
		_, err := s.sign(e, d.Seq, all)
		require.NoError(t, err)
	}
	require.Equal(t, 20*live, by.times, "once for each")
}
