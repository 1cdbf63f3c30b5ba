package audit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

func TestARefusedProofIsRecordedWithBothEnds(t *testing.T) {
	t.Parallel()
	r := newRefused()
	of := func(peer, reason string) []audit.ProofRefusal {
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		return []audit.ProofRefusal{{Peer: peer, Reason: reason, Remote: "192.0.2.9:5", Local: "192.0.2.2:9443", Dialed: true, Count: 2, First: now, Last: now}}
	}
	r.collector.Proofs("tunneler/t-01", of("connector/c-01", "the signature does not fit"), 0)
	r.collector.Proofs("connector/c-01", of("controller/controller-01", "the signature does not fit"), 3)
	r.collector.Proofs("controller/controller-01", of("connector/c-01", "the signature does not fit"), 0)
	rows := r.flush(t)
	require.Len(t, rows, 4)
	e := rows[0]
	require.Equal(t, audit.ProofRefuse, e.Action)
	require.Equal(t, audit.Denied, e.Outcome)
	require.Equal(t, "connector/c-01", e.Actor)
	require.Equal(t, "192.0.2.9:5", e.Source)
	require.Equal(t, "tunneler/t-01", e.Target)
	require.JSONEq(t, `{"count":2,"first_at":"2026-01-02T03:04:05Z","last_at":"2026-01-02T03:04:05Z","local_address":"192.0.2.2:9443","dialed":true}`, e.After)
	control, session := r.collector.Unproven()
	require.Equal(t, [2]uint64{2, 5}, [2]uint64{control, session}, "what the controller refused itself its listener counts")

	for i := range 1000 {
		r.collector.Proofs("tunneler/t-02", of("connector/c-01", fmt.Sprint(i)), 0)
	}
	require.LessOrEqual(t, len(r.flush(t)), 8+4+1, "a member that makes them up does not fill the log")
}
