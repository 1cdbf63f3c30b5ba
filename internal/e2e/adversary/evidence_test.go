package adversary_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestAStrangerCannotFillTheAuditLog: an anonymous caller made 1,265 permanent rows a
// second of this product's own log by asking for decisions on requests that do not
// exist.
func TestAStrangerCannotFillTheAuditLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	for i := range 300 {
		_, err := w.enroll.Await(t.Context(), enroll.Await{ID: fmt.Sprintf("req_%d", i)})
		require.ErrorIs(t, err, enroll.ErrRefused)
	}
	events, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Len(t, events, 1, "the first, at once")
	w.collector.Flush(t.Context())
	events, err = w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Contains(t, events[1].After, `"count":299`, "and how many followed")
}

// TestAManInTheMiddleLeavesEvidence: what re-proof refused was in no audit record, so a
// stolen identity was found and then forgotten.
func TestAManInTheMiddleLeavesEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, tunneler)
	conn, _ := dial(t, w.plane.Addr(), w.svid(t, tunnelerID))
	stream, err := zerotrustv1.NewReproofServiceClient(conn).Prove(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&zerotrustv1.ProveRequest{Frame: &zerotrustv1.ReproofFrame{
		Frame: &zerotrustv1.ReproofFrame_Proof{Proof: &zerotrustv1.ReproofProof{Nonce: []byte("replayed")}},
	}}))
	for err == nil {
		_, err = stream.Recv()
	}
	w.collector.Flush(t.Context())
	events, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Len(t, events, 1)
	e := events[0]
	require.Equal(t, audit.ProofRefuse, e.Action)
	require.Equal(t, "tunneler/"+tunneler.ID, e.Actor)
	require.Contains(t, e.Target, "controller/")
	require.Contains(t, e.Source, "127.0.0.1:")
	require.Contains(t, e.After, w.plane.Addr().String(), "both ends")
	require.Contains(t, e.Reason, reproof.ErrMalformed.Error())
}
