package control

import (
	"context"
	"net/netip"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// Report implements DirectoryService: a tunneler reports the proofs that it refused.
func (d *Directory) Report(ctx context.Context, req *zerotrustv1.ReportRequest) (*zerotrustv1.ReportResponse, error) {
	c, err := callerOf(ctx)
	if err != nil {
		return nil, err
	}
	if !d.Policy.Current().Admits(c.Workload, c.svid.Issue) {
		return nil, status.Error(codes.PermissionDenied, "not enrolled, or revoked")
	}
	notProven(d.Reports, c.Workload, req.GetProofs())
	return &zerotrustv1.ReportResponse{}, nil
}

// maxReportCount is more than a peer can refuse between two reports.
const maxReportCount = 1 << 20

// notProven notes what a member reports. What makes no sense is counted and not
// listed: it is evidence, and its sender is not cut for it.
func notProven(to AuditReports, reporter identity.Workload, in *zerotrustv1.ProofRefusals) {
	if to == nil || in == nil {
		return
	}
	more := min(in.GetMore(), maxReportCount)
	var out []audit.ProofRefusal
	for i, r := range in.GetRefusals() {
		refusal, ok := proofFromProto(r)
		if i >= reproof.MaxReported || !ok {
			more++
			continue
		}
		out = append(out, refusal)
	}
	to.Proofs(reporter.String(), out, more)
}

func proofFromProto(r *zerotrustv1.ProofRefusal) (audit.ProofRefusal, bool) {
	if len(r.GetSpiffeId()) > maxSPIFFEID || r.GetCount() == 0 || !sane(r.GetFirstAt()) || !sane(r.GetLastAt()) {
		return audit.ProofRefusal{}, false
	}
	id, err := spiffeid.FromString(r.GetSpiffeId())
	if err != nil {
		return audit.ProofRefusal{}, false
	}
	w, err := identity.ParseWorkload(id)
	return audit.ProofRefusal{
		Peer: w.String(), Reason: wire.Clip(r.GetReason(), wire.MaxReason), Remote: addressOrNone(r.GetRemoteAddress()), Local: addressOrNone(r.GetLocalAddress()),
		Dialed: r.GetDialed(), Count: min(r.GetCount(), maxReportCount), First: r.GetFirstAt().AsTime(), Last: r.GetLastAt().AsTime(),
	}, err == nil
}

func addressOrNone(s string) string {
	a, err := netip.ParseAddrPort(s[:min(len(s), 64)])
	if err != nil {
		return ""
	}
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
}

// ownProofs notes the proofs that this controller refused.
func ownProofs(to AuditReports, own reproof.Identity) func(reproof.Refusal) {
	if to == nil {
		return nil
	}
	return func(r reproof.Refusal) {
		w, err := identity.ParseWorkload(r.Peer)
		if err != nil {
			return // the listener admits members only
		}
		now := time.Now()
		to.Proofs(selfOf(own), []audit.ProofRefusal{{
			Peer: w.String(), Reason: r.Reason, Remote: r.Remote, Local: r.Local, Dialed: r.Dialed, Count: 1, First: now, Last: now,
		}}, 0)
	}
}

// selfOf names this controller as the audit log does.
func selfOf(own reproof.Identity) string {
	svid, err := own.GetX509SVID()
	if err == nil {
		var w identity.Workload
		if w, err = identity.ParseWorkload(svid.ID); err == nil {
			return w.String()
		}
	}
	return "controller/"
}
