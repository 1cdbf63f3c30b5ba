package relay

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// A tunneler beats every 10 s and once more after each rotation, and probes at most
// ten times a second; this leaves room for a burst, as after a stall, and bounds
// what a hostile one can make us and the controller do.
const (
	messageRate    = rate.Limit(20)
	messageBurst   = 40
	heartbeatRate  = rate.Limit(2)
	heartbeatBurst = 20
)

type sessionStream = zerotrustv1.TunnelService_SessionServer

// service is the gRPC side of the sessions.
type service struct {
	zerotrustv1.UnimplementedTunnelServiceServer

	policy   *policy
	sessions *sessions
	refused  *refusals
	idle     time.Duration
	events   Events
	flows    *flow.Acceptor             // nil: no flows
	broken   *sourcelimit.Keyed[string] // tunnelers whose misbehavior is logged
	log      *zap.Logger
	stopping context.Context //nolint:containedctx // the end of the program ends every stream, also one that never spoke
	pumps    sync.WaitGroup
}

// Session implements zerotrustv1.TunnelServiceServer. The handler only watches:
// reading and answering happen in pump, because a peer that stops reading blocks
// whoever writes to it, and must not delay its own revocation by that.
func (v *service) Session(stream sessionStream) error {
	ctx := stream.Context()
	who, tunneler, err := callerOf(ctx)
	if err != nil {
		return statusNoCaller
	}
	log := logging.For(ctx, v.log)
	if err := v.policy.admitNew(who); err != nil {
		log.Warn("session refused", zap.Error(err))
		v.events.refused(err)
		v.refused.add(who.id.String(), remoteAddress(ctx), err) // for the audit log: refusals in controller/control
		return refusal(err)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := &session{
		caller: who, tunneler: tunneler, remote: remoteAddress(stream.Context()), started: time.Now(),
		end: end, alive: topic.NewHint(),
	}
	// Lock order: the connection's, then the sessions'.
	defer mtls.ConnOf(stream.Context()).OnProof(func(st mtls.SVIDStatus) { v.sessions.proved(s, st) })()
	finished := make(chan error, 1)
	v.pumps.Go(func() { finished <- v.pump(stream, s) }) // ends when this handler returns
	err = v.watch(ctx, s, finished)
	if reason := mtls.ConnOf(stream.Context()).Reason(); reason != nil && !errors.Is(reason, mtls.ErrClosed) {
		err = reason // we cut the connection; the stream only says that it is gone
	}
	v.sessions.detach(s)
	s.release(err, mtls.ConnOf(stream.Context()).Reason())
	v.events.ended(err, mtls.ConnOf(stream.Context()).Reason())
	log.Info("session ended", zap.Duration("lived", time.Since(s.started)), zap.Error(err))
	return err
}

// watch returns why the session is over.
func (v *service) watch(ctx context.Context, s *session, finished <-chan error) error {
	idle := time.NewTimer(v.idle)
	defer idle.Stop()
	for {
		select {
		case <-s.alive:
			idle.Reset(v.idle)
		case err := <-finished:
			return err
		case <-idle.C:
			return statusIdle
		case <-v.stopping.Done():
			return statusStopping
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// pump takes the messages, in step with their acknowledgements.
func (v *service) pump(stream sessionStream, s *session) error {
	in := newInlet(s)
	var out wire.Counter
	for first := true; ; first = false {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = in.check(msg)
		}
		if err != nil {
			v.misbehaved(stream.Context(), s, err)
			return err
		}
		if hb := msg.GetHeartbeat(); hb != nil {
			v.sessions.heartbeat(s, hb)
			s.alive.Wake()
		}
		// Asked again after it registered: a policy set since the first question
		// swept before this session could be found.
		if err := v.policy.admit(s.caller); err != nil {
			return cut(err)
		}
		var id []byte
		if first {
			logging.For(stream.Context(), v.log).Info("session opened")
			if id, err = v.bind(s, mtls.ConnOf(stream.Context()), msg); err != nil {
				return err
			}
		}
		if err := stream.Send(&zerotrustv1.SessionResponse{Sequence: out.Next(), SessionId: id, Ack: &zerotrustv1.SessionAck{
			SessionStartedAt: timestamppb.New(s.started), PolicyRevision: v.policy.revision(), Acknowledges: msg.GetSequence(),
		}}); err != nil {
			return err
		}
	}
}

// misbehaved notes a tunneler that is cut for what it sent: in our log, and in the
// controller's audit log.
func (v *service) misbehaved(ctx context.Context, s *session, err error) {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.PermissionDenied: // of inlet
	case codes.ResourceExhausted, codes.Internal: // of inlet, or of gRPC: too large, or not a message
	default: // the tunneler left, or its connection did
		return
	}
	if v.broken.AllowKey(s.caller.id.String()) { // one that comes again and again must not fill the log
		logging.For(ctx, v.log).Warn("tunneler broke the session protocol, session closed", zap.Error(err))
	}
	v.refused.add(s.caller.id.String(), s.remote, errMisbehaved)
}

// inlet judges what a tunneler sends on one stream. Nothing that it lets through may
// be a reason for the controller to refuse what we pass on: then one tunneler would
// take every other one of this connector with it.
type inlet struct {
	of                   *session
	order                wire.Counter
	messages, heartbeats *rate.Limiter
}

func newInlet(s *session) *inlet {
	return &inlet{of: s, messages: rate.NewLimiter(messageRate, messageBurst), heartbeats: rate.NewLimiter(heartbeatRate, heartbeatBurst)}
}

// check returns the status that ends the session, or nil.
func (in *inlet) check(msg *zerotrustv1.SessionRequest) error {
	hb := msg.GetHeartbeat()
	if err := in.order.Take(msg.GetSequence()); err != nil {
		return disordered(err)
	}
	switch {
	case hb == nil && in.order.Last() == 1:
		return statusEmpty
	case hb != nil && hb.GetTunnelerId() != in.of.tunneler:
		return statusWrongID
	case hb != nil && wire.CheckHeartbeat(hb) != nil:
		return unspeakable(wire.CheckHeartbeat(hb))
	case !in.messages.Allow(), hb != nil && !in.heartbeats.Allow():
		return statusFlood
	case checkInstance(msg) != nil:
		return checkInstance(msg)
	}
	in.of.received.Store(in.order.Last())
	return nil
}

// callerOf reads who calls from the verified certificate of the connection.
func callerOf(ctx context.Context) (c caller, tunneler string, err error) {
	w, ok := rpcauth.Caller(ctx)
	conn := mtls.ConnOf(ctx)
	if !ok || conn == nil {
		return caller{}, "", mtls.ErrNoPeer
	}
	return callerOn(conn), w.ID, nil
}

// admit asks the policy about the caller of an RPC that is no session.
func (v *service) admit(ctx context.Context) error {
	who, _, err := callerOf(ctx)
	if err != nil {
		return statusNoCaller
	}
	if err := v.policy.admit(who); err != nil {
		return refusal(err)
	}
	return nil
}

// callerOn is what the policy is asked about everything on a connection. The
// SVID stays that of the handshake: a proof shows that the same host still
// has its identity, not that another one has it now.
func callerOn(c *mtls.Conn) caller {
	return caller{id: c.Peer(), svid: c.OpenedWith().Issue}
}

// connected says why a connection is not to stay.
func (p *policy) connected(c *mtls.Conn) error { return p.admit(callerOn(c)) }

func remoteAddress(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}
