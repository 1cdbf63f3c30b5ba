package control_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// lateReports is an AuditReports that is set after the listener was made.
type lateReports struct{ to atomic.Pointer[auditLog] }

// SVID implements control.AuditReports.
func (*lateReports) Renewed(audit.Renewal) {}

// Sessions implements control.AuditReports.
func (*lateReports) Sessions(string, []audit.SessionRefusal, uint64) {}

// Proofs implements control.AuditReports.
func (r *lateReports) Proofs(reporter string, refused []audit.ProofRefusal, more uint64) {
	if l := r.to.Load(); l != nil {
		l.Proofs(reporter, refused, more)
	}
}

func unproven(change func(*zerotrustv1.ProofRefusal)) *zerotrustv1.ProofRefusals {
	r := &zerotrustv1.ProofRefusal{
		SpiffeId: "spiffe://mycorp.internal/connector/c9", Reason: "the \x1bsignature", RemoteAddress: "192.0.2.9:5", LocalAddress: "[2001:db8::1]:9443",
		Count: 1, FirstAt: timestamppb.Now(), LastAt: timestamppb.Now(),
	}
	if change != nil {
		change(r)
	}
	return &zerotrustv1.ProofRefusals{Refusals: []*zerotrustv1.ProofRefusal{r}}
}

func TestRefusedProofsReachTheAuditLog(t *testing.T) {
	t.Parallel()
	l := &auditLog{}
	w, who := witnessed(t, l)
	w.directory.Reports = l
	w.reports.to.Store(l)
	tunneler := identity.Workload{Kind: identity.KindTunneler, ID: "t1"}
	w.member(t, tunneler)
	s := w.open(t, who)
	s.say(helloOf(&zerotrustv1.ConnectorHello{ConnectorId: "c1"}))
	s.say(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Proofs{Proofs: unproven(nil)}})
	eventually(t, "a connector's report", func() bool { p, _ := l.unproven(); return len(p) == 1 })
	client := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler))
	_, err := client.Report(t.Context(), &zerotrustv1.ReportRequest{Proofs: unproven(nil)})
	require.NoError(t, err)
	proofs, _ := l.unproven()
	require.Len(t, proofs, 2)
	for i, reporter := range []string{"connector/c1", "tunneler/t1"} {
		require.True(t, strings.HasPrefix(proofs[i], reporter+" refused connector/c9 at 192.0.2.9:5 from [2001:db8::1]:9443: the "), proofs[i])
		require.NotContains(t, proofs[i], "\x1b")
	}

	t.Run("what is no report is counted, and nobody is cut for it", func(t *testing.T) {
		for _, change := range []func(*zerotrustv1.ProofRefusal){
			func(r *zerotrustv1.ProofRefusal) { r.SpiffeId = "spiffe://mycorp.internal/spire/agent/x" },
			func(r *zerotrustv1.ProofRefusal) { r.SpiffeId = strings.Repeat("a", 4096) },
			func(r *zerotrustv1.ProofRefusal) { r.Count = 0 },
			func(r *zerotrustv1.ProofRefusal) { r.FirstAt = nil },
			func(r *zerotrustv1.ProofRefusal) { r.LastAt = &timestamppb.Timestamp{Seconds: 1 << 60} },
		} {
			_, err := client.Report(t.Context(), &zerotrustv1.ReportRequest{Proofs: unproven(change)})
			require.NoError(t, err)
		}
		many := &zerotrustv1.ProofRefusals{More: 1 << 63}
		for range 100 {
			many.Refusals = append(many.Refusals, unproven(nil).GetRefusals()...)
		}
		_, err := client.Report(t.Context(), &zerotrustv1.ReportRequest{Proofs: many})
		require.NoError(t, err)
		proofs, more := l.unproven()
		require.Len(t, proofs, 2+16)
		require.Equal(t, uint64(5+84+1<<20), more)
	})
	t.Run("the controller's own too", func(t *testing.T) {
		stream, err := zerotrustv1.NewReproofServiceClient(w.dial(t, tunneler)).Prove(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(&zerotrustv1.ProveRequest{Frame: &zerotrustv1.ReproofFrame{
			Frame: &zerotrustv1.ReproofFrame_Proof{Proof: &zerotrustv1.ReproofProof{}},
		}}))
		eventually(t, "a refused proof", func() bool {
			p, _ := l.unproven()
			return strings.HasPrefix(p[len(p)-1], "controller/") && strings.Contains(p[len(p)-1], "refused tunneler/t1 at 127.0.0.1:")
		})
	})
	t.Run("a connector has its stream, and a revoked tunneler nothing to say", func(t *testing.T) {
		_, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, who)).Report(t.Context(), &zerotrustv1.ReportRequest{})
		require.Equal(t, codes.PermissionDenied, status.Code(err))
		conn := w.dial(t, tunneler)
		w.revoke(t, tunneler)
		eventually(t, "the next policy", func() bool {
			_, err = zerotrustv1.NewDirectoryServiceClient(conn).Report(t.Context(), &zerotrustv1.ReportRequest{Proofs: unproven(nil)})
			return err != nil
		})
	})
}
