package control

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// AuditLog is what connectors witness; audit.Witnesses is it.
type AuditLog interface {
	Size() int64
	Offer(ctx context.Context, from int64) (witness.Offer, error)
	Witnessed(ctx context.Context, connector string, size int64, failure string) error
	// Join returns a channel that gets a value when it is this connector's turn to be
	// offered a checkpoint, and a function that leaves. The first one of a stream is
	// offered without a turn.
	Join() (turn <-chan struct{}, leave func())
}

// AuditReports takes what peers prove and report for the audit log;
// audit.Collector is it.
type AuditReports interface {
	Renewed(r audit.Renewal)
	Sessions(connector string, refused []audit.SessionRefusal, more uint64)
	// Proofs notes the proofs that a member or this controller refused.
	Proofs(reporter string, refused []audit.ProofRefusal, more uint64)
}

// offerAgain is when a connector that refused the last checkpoint is offered another,
// beside its turns: the right database may be back.
const offerAgain = 10 * time.Second

// Recording notes the SVIDs that peers prove, on their way to the roster.
type Recording struct {
	Attendance
	Reports AuditReports
}

// ConnectorProved implements Attendance.
func (r Recording) ConnectorProved(id string, stream uint64, svid presence.SVID) {
	r.Reports.Renewed(audit.Renewal{Member: "connector/" + id, Serial: svid.Serial, Authority: svid.AuthorityID, NotAfter: svid.NotAfter})
	r.Attendance.ConnectorProved(id, stream, svid)
}

// TunnelerProved implements Attendance.
func (r Recording) TunnelerProved(id string, stream uint64, svid presence.SVID) {
	r.Reports.Renewed(audit.Renewal{Member: "tunneler/" + id, Serial: svid.Serial, Authority: svid.AuthorityID, NotAfter: svid.NotAfter})
	r.Attendance.TunnelerProved(id, stream, svid)
}

// witnessing is the audit log's part of a conversation: at most one checkpoint is
// unanswered, so that each proof begins where the connector is.
type witnessing struct {
	log     AuditLog // nil: nothing is offered
	size    int64    // what the connector holds
	offered bool     // this stream has had its first one, which shows whose log this is
	failing bool
	waiting bool
	timer   *time.Timer      // runs while failing
	again   <-chan time.Time // of timer; nil while nothing fails
}

func newWitnessing(log AuditLog, size int64) witnessing {
	return witnessing{log: log, size: size}
}

// fails has another checkpoint offered after a while.
func (w *witnessing) fails() {
	w.rest()
	w.timer = time.NewTimer(offerAgain)
	w.again = w.timer.C
}

// rest ends that.
func (w *witnessing) rest() {
	if w.timer != nil {
		w.timer.Stop()
		w.timer, w.again = nil, nil
	}
}

// join is Join of the log; without one there is never a turn.
func (w *witnessing) join() (turn <-chan struct{}, leave func()) {
	if w.log == nil {
		return nil, func() {}
	}
	return w.log.Join()
}

// offer sends the newest checkpoint if there is one to judge. The policy goes out
// first where both are new: a checkpoint that covers a change must not reach the
// connector before the change does, which would then wait for another in vain.
func (t *conversation) offer(ctx context.Context) error {
	w := &t.witness
	if w.log == nil || w.waiting {
		return nil
	}
	w.rest()
	if size := w.log.Size(); size == 0 || size == w.size && !w.failing && w.offered {
		return nil
	}
	o, err := w.log.Offer(ctx, w.size)
	if err != nil {
		t.log.Error("audit checkpoint not offered", zap.Error(err))
		w.fails()
		return nil
	}
	if w.offered { // the first one comes before any policy
		if err := t.sendPolicy(); err != nil {
			return err
		}
	}
	w.waiting, w.offered = true, true
	return t.stream.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_AuditCheckpoint{
		AuditCheckpoint: &zerotrustv1.AuditCheckpoint{VerifierKey: o.VerifierKey, Note: o.Note, FromSize: uint64(o.From), Proof: o.Proof}, //nolint:gosec // never negative
	}})
}

// witnessed notes an answer.
func (t *conversation) witnessed(ctx context.Context, a *zerotrustv1.AuditWitness) error {
	w := &t.witness
	switch {
	case !w.waiting:
		return status.Error(codes.InvalidArgument, "an answer without a checkpoint")
	case a.GetSize() > 1<<48:
		return status.Error(codes.InvalidArgument, "audit_witness: no size")
	}
	w.waiting, w.size, w.failing = false, int64(a.GetSize()), a.GetFailure() != "" //nolint:gosec // capped above
	if w.failing {
		w.fails()
	}
	if err := w.log.Witnessed(ctx, t.c.ID, w.size, wire.Clip(a.GetFailure(), wire.MaxReason)); err != nil {
		t.log.Warn("audit witness not recorded", zap.Error(err))
	}
	return nil
}

// refusals notes the sessions that the connector did not admit. Whom they are about
// may have had a hand in them, so one that is nothing is only counted.
func (t *conversation) refusals(in *zerotrustv1.SessionRefusals) {
	if t.s.Reports == nil {
		return
	}
	listed := in.GetRefusals()[:min(len(in.GetRefusals()), wire.MaxRefusals)]
	unlisted := uint64(len(in.GetRefusals()) - len(listed)) //nolint:gosec // never negative
	out := make([]audit.SessionRefusal, 0, len(listed))
	for _, r := range listed {
		refusal, err := refusalFromProto(r)
		if err != nil {
			unlisted++
			continue
		}
		out = append(out, refusal)
	}
	if unlisted > 0 {
		t.complain("report of refused sessions clipped", zap.Uint64("left_out", unlisted))
	}
	more := in.GetMore()
	t.s.Reports.Sessions(t.c.ID, out, more+min(unlisted, math.MaxUint64-more))
}

// maxSPIFFEID is the longest SPIFFE ID that the specification allows.
const maxSPIFFEID = 2048

var errRefusal = errors.New("not an SPIFFE ID, an IP address, a count or a time")

func refusalFromProto(r *zerotrustv1.SessionRefusal) (audit.SessionRefusal, error) {
	id, err := spiffeid.FromString(r.GetSpiffeId())
	if err != nil || len(r.GetSpiffeId()) > maxSPIFFEID {
		return audit.SessionRefusal{}, errRefusal
	}
	w, err := identity.ParseWorkload(id)
	if err != nil {
		return audit.SessionRefusal{}, errRefusal
	}
	addr, err := netip.ParseAddr(r.GetRemoteAddress())
	if err != nil || len(r.GetRemoteAddress()) > wire.MaxRemoteAddress || r.GetCount() == 0 || !sane(r.GetFirstAt()) || !sane(r.GetLastAt()) {
		return audit.SessionRefusal{}, errRefusal
	}
	return audit.SessionRefusal{
		Caller: w.String(), Reason: clip(r.GetReason()), Source: addr.WithZone("").String(), Count: r.GetCount(),
		First: r.GetFirstAt().AsTime(), Last: r.GetLastAt().AsTime(),
	}, nil
}

func sane(at *timestamppb.Timestamp) bool { return at != nil && at.IsValid() }
