package reproof_test

import (
	"fmt"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

func TestReportsAreBounded(t *testing.T) {
	t.Parallel()
	var r reproof.Reports
	require.Nil(t, r.Take())
	peer := spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/t-01")
	for i := range 100 {
		r.Add(reproof.Refusal{Peer: peer, Reason: fmt.Sprint(i % 50), Remote: fmt.Sprintf("192.0.2.1:%d", i), Local: "192.0.2.2:9443"})
	}
	out := r.Take()
	require.Len(t, out.GetRefusals(), reproof.MaxReported)
	total := out.GetMore()
	for _, of := range out.GetRefusals() {
		total += of.GetCount()
		require.Equal(t, uint64(2), of.GetCount())
	}
	require.Equal(t, uint64(100), total, "what has no room is counted")
	require.Nil(t, r.Take())
}
