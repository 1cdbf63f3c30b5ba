package relay_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func TestTheConnectorEndsASessionOutOfSequence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		numbers []uint64 // the last one is at fault
		reason  string
	}{
		"that does not begin with 1":    {[]uint64{2}, "message 2 came where 1 was due"},
		"without numbers":               {[]uint64{0}, "a message without a number where 1 was due"},
		"that stops numbering":          {[]uint64{1, 2, 0}, "a message without a number where 3 was due"},
		"with a gap":                    {[]uint64{1, 2, 4}, "message 4 came where 3 was due"},
		"with a repeat":                 {[]uint64{1, 2, 2}, "message 2 came again where 3 was due"},
		"that begins anew":              {[]uint64{1, 2, 3, 1}, "message 1 came again where 4 was due"},
		"with two messages in exchange": {[]uint64{1, 3}, "message 3 came where 2 was due"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, stream := linked(t, laptopID)
			s, err := w.open(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
			require.NoError(t, err)
			good := c.numbers[:len(c.numbers)-1]
			for i, n := range good {
				s.last = n - 1
				require.NoError(t, s.say(true))
				require.NoError(t, s.hear(uint64(i+1)))
			}
			s.last = c.numbers[len(good)] - 1
			require.NoError(t, s.say(true))
			requireStatus(t, s.ends(t), codes.InvalidArgument, "session out of sequence: "+c.reason)
			if len(good) > 0 {
				stream.report(t, "laptop", true)
			}
			w.attach(t, "laptop") // the next one begins with 1
		})
	}
}

func TestTheConnectorAnswersEachMessageOnceAndInOrder(t *testing.T) {
	t.Parallel()
	w, _, stream := linked(t, laptopID, phoneID)
	s := w.attach(t, "laptop")
	stream.report(t, "laptop", false)
	const more = 30
	for range more { // all on their way at once
		require.NoError(t, s.say(false))
	}
	for n := range uint64(more) {
		require.NoError(t, s.hear(n+2))
	}
	infos := w.relay.Sessions()
	require.Len(t, infos, 1)
	require.Equal(t, "laptop", infos[0].TunnelerID)
	require.Equal(t, uint64(more+1), infos[0].Received)
	require.NotEmpty(t, infos[0].Socket)
	require.NotEmpty(t, infos[0].Serial)
	w.attach(t, "phone")
	m := stream.until(t, "the next report", func(m *zerotrustv1.ConnectRequest) bool { return m.GetTunneler() != nil })
	require.Equal(t, "phone", m.GetTunneler().GetTunnelerId(), "probes are not reported")
}
