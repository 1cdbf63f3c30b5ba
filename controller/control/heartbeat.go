package control

import (
	"context"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// handle acts on one message of the connector.
func (t *conversation) handle(ctx context.Context, req *zerotrustv1.ConnectRequest) error {
	switch m := req.GetMessage().(type) {
	case *zerotrustv1.ConnectRequest_Heartbeat:
		if m.Heartbeat.GetConnectorId() != t.c.ID {
			return status.Error(codes.PermissionDenied, "connector_id is not the id of this SVID")
		}
		t.s.Roster.ConnectorTrusts(t.c.ID, wire.ClipAuthorities(m.Heartbeat.GetBundleAuthorityIds()))
		t.s.Roster.ConnectorBeat(t.c.ID, t.number, svidFromProto(m.Heartbeat.GetSvid()), m.Heartbeat.GetAppliedPolicyRevision())
		t.refuses(wire.Clip(m.Heartbeat.GetRefusal(), wire.MaxReason))
		if t.s.Flows != nil {
			t.s.Flows.Open(t.c.ID, t.number, min(m.Heartbeat.GetOpenFlows(), maxOpenFlows))
		}
		if t.policy.applied(m.Heartbeat.GetAppliedPolicyRevision(), m.Heartbeat.GetRefusal() != "") {
			return t.sendPolicy()
		}
		return nil
	case *zerotrustv1.ConnectRequest_Tunneler:
		t.report(m.Tunneler)
		return nil
	case *zerotrustv1.ConnectRequest_Resync:
		return t.resync()
	case *zerotrustv1.ConnectRequest_Denials:
		return t.takeBack(ctx, m.Denials)
	case *zerotrustv1.ConnectRequest_AuditWitness:
		return t.witnessed(ctx, m.AuditWitness)
	case *zerotrustv1.ConnectRequest_Refusals:
		t.refusals(m.Refusals)
		return nil
	case *zerotrustv1.ConnectRequest_Flows:
		return t.flows(m.Flows)
	case *zerotrustv1.ConnectRequest_Proofs:
		notProven(t.s.Reports, t.c.Workload, m.Proofs)
		return nil
	default:
		return status.Error(codes.InvalidArgument, "expected a heartbeat or a report")
	}
}

// refuses notes why the connector does not take what we send; empty if it does.
func (t *conversation) refuses(reason string) {
	switch news := t.s.Roster.ConnectorRefuses(t.c.ID, t.number, reason); {
	case news && reason != "":
		t.complain("connector refuses the policy of this controller", zap.String("reason", reason))
	case news && t.complaints.Allow():
		t.log.Info("connector takes the policy of this controller again")
	}
}

// report notes a tunneler. One that the policy does not name is passed over: it
// was revoked a moment ago, or the connector makes it up. What nobody may say of one
// is left out, and the connector keeps its stream: a tunneler may have said it, and
// the others there are honest.
//
// The authorities that a tunneler says it trusts open the first gate of a CA rotation
// and the last: a peer that lies locks itself out, or hides only that it takes old
// SVIDs itself.
func (t *conversation) report(r *zerotrustv1.TunnelerReport) {
	w := identity.Workload{Kind: identity.KindTunneler, ID: r.GetTunnelerId()}
	now := time.Now()
	if !t.s.Policy.Current().Names(w) {
		t.complain("report of an unknown tunneler ignored", zap.String("tunneler_id", clip(w.ID)))
		return
	}
	r, fault := wire.ClipReport(r)
	if fault != nil {
		t.complain("report of a tunneler clipped", zap.String("tunneler_id", w.ID), zap.Error(fault))
	}
	out := presence.Report{
		TunnelerID: w.ID, Version: r.GetVersion(), SVID: svidFromProto(r.GetSvid()), Since: now,
		RemoteAddr: r.GetRemoteAddress(), Detached: r.GetDetached(), Trusts: r.GetBundleAuthorityIds(),
	}
	// Whoever has no beginning is not here, and the connector's clock may be wrong.
	if at := r.GetSessionStartedAt(); at != nil && at.AsTime().After(time.Unix(0, 0)) && at.AsTime().Before(now) {
		out.Since = at.AsTime()
	}
	t.s.Roster.TunnelerReport(t.c.ID, out)
}

// complain logs what a connector reports and should not, up to a rate: it may have
// thousands of tunnelers, and each of them says something every few seconds. So may the
// connector itself, if it is hostile.
func (t *conversation) complain(what string, fields ...zap.Field) {
	if t.complaints.Allow() {
		t.log.Warn(what, fields...)
	}
}
