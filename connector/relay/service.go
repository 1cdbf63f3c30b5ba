package relay

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// A tunneler beats every 10 s and once more after each rotation; this leaves room
// for a burst and bounds what a hostile one can make us do.
const (
	heartbeatRate  = rate.Limit(2)
	heartbeatBurst = 20
)

type sessionStream = zerotrustv1.TunnelService_SessionServer

// service is the gRPC side of the sessions.
type service struct {
	zerotrustv1.UnimplementedTunnelServiceServer

	policy   *policy
	sessions *sessions
	idle     time.Duration
	events   Events
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
	log := v.log.With(zap.Stringer("caller_id", who.id), zap.String("caller_addr", remoteAddress(ctx)))
	if err := v.policy.admit(who); err != nil {
		log.Warn("session refused", zap.Error(err))
		v.events.refused(err)
		return refusal(err)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := &session{
		caller: who, tunneler: tunneler, remote: remoteAddress(stream.Context()), started: time.Now(),
		end: end, alive: make(chan struct{}, 1),
	}
	// Lock order: the connection's, then the sessions'.
	defer mtls.ConnOf(stream.Context()).OnProof(func(st mtls.SVIDStatus) { v.sessions.proved(s, st) })()
	finished := make(chan error, 1)
	v.pumps.Go(func() { finished <- v.pump(stream, s) }) // ends when this handler returns
	err = v.watch(ctx, s, finished)
	v.sessions.detach(s)
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

// pump takes the heartbeats, in step with their acknowledgements.
func (v *service) pump(stream sessionStream, s *session) error {
	limit := rate.NewLimiter(heartbeatRate, heartbeatBurst)
	for first := true; ; first = false {
		msg, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case msg.GetHeartbeat() == nil:
			return statusEmpty
		case msg.GetHeartbeat().GetTunnelerId() != s.tunneler:
			return statusWrongID
		case !limit.Allow():
			return statusFlood
		}
		v.sessions.heartbeat(s, msg.GetHeartbeat())
		// Asked again after it registered: a policy set since the first question
		// swept before this session could be found.
		if err := v.policy.admit(s.caller); err != nil {
			return cut(err)
		}
		if first {
			v.log.Info("session opened", zap.Stringer("caller_id", s.caller.id), zap.String("caller_addr", s.remote))
		}
		select {
		case s.alive <- struct{}{}:
		default:
		}
		if err := stream.Send(&zerotrustv1.SessionResponse{Ack: &zerotrustv1.SessionAck{
			SessionStartedAt: timestamppb.New(s.started), PolicyRevision: v.policy.revision(),
		}}); err != nil {
			return err
		}
	}
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

// callerOn is what the policy is asked about everything on a connection. The
// notBefore stays that of the handshake: a proof shows that the same host still
// has its identity, not that another one has it now.
func callerOn(c *mtls.Conn) caller {
	return caller{id: c.Peer(), svidNotBefore: c.OpenedWith().NotBefore}
}

func remoteAddress(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}
