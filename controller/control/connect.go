package control

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// Admitter says who is enrolled; fleet.Fleet is it.
type Admitter interface {
	AdmitConnector(ctx context.Context, h fleet.Hello, svid identity.Issue) error
	AdmitTunneler(ctx context.Context, h fleet.Hello, svid identity.Issue) error
	// HelloWanted is closed when another hello is wanted, on a new connection.
	HelloWanted(w identity.Workload) <-chan struct{}
}

// Attendance notes who is here; presence.Roster is it.
type Attendance interface {
	ConnectorUp(a presence.Arrival, remoteAddr string, svid presence.SVID) (stream uint64)
	ConnectorBeat(id string, stream uint64, svid presence.SVID, revision uint64)
	// ConnectorRefuses notes why a connector refuses what we send, and says whether it is news.
	ConnectorRefuses(id string, stream uint64, reason string) (news bool)
	ConnectorProved(id string, stream uint64, svid presence.SVID)
	ConnectorDown(id string, stream uint64)
	// ConnectorTrusts notes what a connector says it has in its bundle.
	ConnectorTrusts(id string, authorities []string)
	TunnelerReport(connectorID string, r presence.Report)
	TunnelerProved(id string, stream uint64, svid presence.SVID)
	TunnelerUnproved(id string, stream uint64)
}

const (
	helloTimeout = 10 * time.Second
	// silence is three heartbeats: after it the stream is dead even if TCP is not.
	silence = 30 * time.Second
	// comeBack is what a controller that stops asks its peers to wait at least.
	comeBack = 250 * time.Millisecond
	// Lines in the log about what a connector relays: some at once, then one a minute.
	complainEvery, maxComplaints = time.Minute, 8
	// How often a connector may ask for the whole policy: some times at once, then one in
	// ten seconds.
	resyncEvery, maxResyncs = 10 * time.Second, 8
)

// ControlPlane serves ControlPlaneService.
type ControlPlane struct { //nolint:revive // the name of the service
	zerotrustv1.UnimplementedControlPlaneServiceServer
	Fleet     Admitter
	Roster    Attendance
	Policy    Snapshots
	Endpoints func() Endpoints
	// Moved wakes all streams when Endpoints are others; optional.
	Moved Signal
	// PolicyAge is how long a connector may use the policy without a controller;
	// zero leaves it to the connector.
	PolicyAge time.Duration
	Audit     AuditLog     // nil: no checkpoints are offered
	Reports   AuditReports // nil: reports of refused sessions are passed over
	// Outdated is called with why a member is refused that speaks another protocol, and of each
	// that speaks ours; optional.
	Outdated func(w identity.Workload, why string)
	// Signer signs denials, and Returns takes them back; without it they are not signed.
	Signer  denial.Signer
	Returns Returns
	// Recall keeps the policy back; nil: never.
	Recall Recall
	// Timeline is which life of the controller this is; nil: the first.
	Timeline func() uint64
	// Recovery says how hosts can know that; nil: they cannot.
	Recovery Recovery
	Patience Patience
	// Failing is why the listener is of no use now, for gRPC health; see rpcauth.HealthConfig.
	Failing func(context.Context) error
	// Stopping is closed when the controller shuts down.
	Stopping <-chan struct{}
	Log      *zap.Logger

	streams   streams
	receiving sync.WaitGroup // goroutines of receive
	refused   refused
	denied    denied
	shared    sync.Once
	updates   updates[policy.Tunneler, *zerotrustv1.PolicyTunneler]
	denials   denials
}

// share makes what all streams have together.
func (s *ControlPlane) share() {
	s.shared.Do(func() {
		s.updates.subject, s.updates.timeline = policies(), s.Timeline
		s.denials.by, s.denials.complete = s.Signer, true
		s.denials.message = func(m *zerotrustv1.Denials) proto.Message {
			return &zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Denials{Denials: m}}
		}
	})
}

// caller is the authenticated peer of a stream.
type caller struct {
	identity.Workload
	conn *mtls.Conn
	svid mtls.SVIDStatus // of the handshake
	addr string
}

func callerOf(ctx context.Context) (caller, error) {
	w, ok := rpcauth.Caller(ctx)
	conn := mtls.ConnOf(ctx)
	if !ok || conn == nil {
		return caller{}, status.Error(codes.Unauthenticated, "no X509-SVID on this connection")
	}
	return caller{Workload: w, conn: conn, svid: conn.OpenedWith(), addr: conn.RemoteAddr().String()}, nil
}

// Connect implements ControlPlaneService. What it needs before the conversation is in
// functions of its own: it stands in the stack of each stream for as long as that lives.
func (s *ControlPlane) Connect(stream zerotrustv1.ControlPlaneService_ConnectServer) error {
	woken := newWakeups()
	woken.cuts(mtls.ConnOf(stream.Context()), s.Patience)
	defer woken.over()
	in := s.receive(stream.Context(), stream, woken)
	t, err := s.admit(stream, in, woken)
	if err != nil {
		return err
	}
	defer t.leave()
	if err = t.run(stream.Context(), in); errors.Is(err, io.EOF) {
		err = nil // the connector closed its side
	}
	t.log.Info("control stream ended", zap.Error(err))
	return err
}

// admit reads the hello and begins a conversation, of which leave is to be called.
func (s *ControlPlane) admit(stream zerotrustv1.ControlPlaneService_ConnectServer, in <-chan *zerotrustv1.ConnectRequest, woken *wakeups) (*conversation, error) {
	ctx := stream.Context()
	c, err := callerOf(ctx)
	if err != nil {
		return nil, err
	}
	t := &conversation{s: s, c: c, stream: stream, log: logging.For(ctx, s.Log), woken: woken}
	hello, has, err := s.hello(c, in, woken)
	if err != nil {
		t.log.Warn("control stream refused", zap.Error(err))
		return nil, err
	}
	// Subscribed before admitted: a revocation in between is not missed.
	woken.follow(s.Policy, s.Moved, s.Recovery)
	t.again = s.Fleet.HelloWanted(c.Workload)
	if err := s.Fleet.AdmitConnector(ctx, hello, c.svid.Issue); err != nil {
		woken.leave()
		s.refused.log(t.log, "control stream refused", c.ID, err)
		return nil, toStatus(ctx, err, s.Log)
	}
	s.refused.admitted(c.ID)
	release := s.streams.replace(c.ID, woken, func() { t.number = s.Roster.ConnectorUp(arrival(hello), c.addr, svidOf(c.svid)) })
	forget := c.conn.OnProof(func(st mtls.SVIDStatus) { s.Roster.ConnectorProved(c.ID, t.number, svidOf(st)) })
	t.leave = func() {
		forget()
		s.Roster.ConnectorDown(c.ID, t.number)
		release()
		woken.leave()
	}
	t.begin(hello, has)
	return t, nil
}

// begin prepares what the conversation is about.
func (t *conversation) begin(hello fleet.Hello, has *zerotrustv1.Position) {
	s, td := t.s, t.c.conn.Peer().TrustDomain()
	t.log.Info("control stream opened", zap.String("version", hello.Version), zap.String("instance_id", hello.InstanceID))
	t.complaints = rate.NewLimiter(rate.Every(complainEvery), maxComplaints)
	t.resyncs = rate.NewLimiter(rate.Every(resyncEvery), maxResyncs)
	t.messages = s.Patience.limiter()
	t.witness = newWitnessing(s.Audit, hello.Witnessed)
	if closed(s.Recall) {
		t.recall = s.Recall.Open()
	}
	s.share()
	t.denials = denying{denials: &s.denials, td: td, stream: t.stream}
	t.policy = following[policy.Tunneler, *zerotrustv1.PolicyTunneler]{updates: &s.updates, stream: t.stream, td: td, maxAge: s.PolicyAge, each: true}
	t.policy.begin(has)
	t.timeline = saying{from: s.Recovery, send: func(m *zerotrustv1.Timeline) error {
		return t.stream.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Timeline{Timeline: m}})
	}}
}

// receive reads the stream into a channel, and its end into woken. Its goroutine ends
// with ctx, which gRPC ends when the handler returns: so the handler cannot wait for it,
// and Server.Run does.
func (s *ControlPlane) receive(ctx context.Context, stream zerotrustv1.ControlPlaneService_ConnectServer, woken *wakeups) <-chan *zerotrustv1.ConnectRequest {
	out := make(chan *zerotrustv1.ConnectRequest)
	s.receiving.Add(1)
	go s.next(ctx, stream, out, woken) // joined by receiving
	return out
}

// next reads one message, and leaves the one after it to another goroutine: to decode
// takes twice the stack that waiting takes, and thousands wait.
func (s *ControlPlane) next(ctx context.Context, stream zerotrustv1.ControlPlaneService_ConnectServer, out chan<- *zerotrustv1.ConnectRequest, woken *wakeups) {
	defer s.receiving.Done()
	req, err := stream.Recv()
	if err != nil {
		woken.end(err)
		return
	}
	select {
	case out <- req:
		s.receiving.Add(1)
		go s.next(ctx, stream, out, woken) // joined by receiving
	case <-ctx.Done():
		woken.end(status.FromContextError(ctx.Err()).Err())
	}
}

// conversation is an admitted control stream.
type conversation struct {
	s      *ControlPlane
	c      caller
	stream zerotrustv1.ControlPlaneService_ConnectServer
	number uint64
	log    *zap.Logger

	woken *wakeups        // by the policy and what is sent along with it, or to end
	again <-chan struct{} // another hello is wanted
	leave func()          // ends what admit has begun

	policy  following[policy.Tunneler, *zerotrustv1.PolicyTunneler]
	witness witnessing
	denials denying

	timeline saying
	returned returned
	recall   <-chan struct{} // closed when the policy may be sent; nil: it may be

	complaints *rate.Limiter // about what is relayed
	resyncs    *rate.Limiter
	messages   *rate.Limiter
}

func (t *conversation) run(ctx context.Context, in <-chan *zerotrustv1.ConnectRequest) error {
	// Denials before all: they need no log.
	if err := t.denials.update(t.s.Policy.Current()); err != nil {
		return err
	}
	// The timeline before the log: another one may have another log.
	if _, err := t.timeline.news(); err != nil {
		return err
	}
	// The log before the policy: whoever does not know this log takes no policy of it.
	turn, leave := t.witness.join()
	defer leave()
	if err := t.offer(ctx); err != nil {
		return err
	}
	if err := t.sendPolicy(); err != nil {
		return err
	}
	quiet := time.AfterFunc(silence, func() { t.woken.end(errSilent) })
	defer quiet.Stop()
	defer t.witness.rest()
	var held <-chan time.Time // set while messages wait
	for {
		next := in
		if held != nil {
			next = nil
		}
		select { // few: see wakeups. What is nil costs nothing
		case m := <-next:
			quiet.Reset(silence)
			if err := t.handle(ctx, m); err != nil {
				return err
			}
			held = t.pause()
		case <-held:
			held = nil
		case <-t.woken.hint:
			if err := t.wake(); err != nil {
				return err
			}
		case <-t.again:
			return errHelloWanted
		case <-turn:
			if err := t.offer(ctx); err != nil {
				return err
			}
		case <-t.recall:
			t.recall = nil
			if err := t.sendPolicy(); err != nil {
				return err
			}
		case <-t.witness.again:
			if err := t.offer(ctx); err != nil {
				return err
			}
		}
	}
}

// pause is set when the next message has to wait: a connector that says more than it can
// have to say does not take the processor from the others.
func (t *conversation) pause() <-chan time.Time {
	if d := t.messages.Reserve().Delay(); d > 0 {
		return time.After(d)
	}
	return nil
}

// wake looks what there is to say, or ends the stream.
func (t *conversation) wake() error {
	if why := t.woken.ended(); why != nil {
		if why == errStopping { //nolint:errorlint // our own, as it is
			t.goodbye()
		}
		return why
	}
	switch said, err := t.timeline.news(); {
	case err != nil:
		return err
	case said: // the policy behind it, though nothing is new in it, has the connector pin the key
		t.policy.sent = false
	}
	return t.sendPolicy()
}

// sendPolicy sends what leads to the newest snapshot, unless it was sent before and the
// addresses of the control plane that go with it are the same, or ends the
// stream of a connector that it does not name any more. A change between the
// subscription and the first snapshot wakes the stream although that one has it.
func (t *conversation) sendPolicy() error {
	snapshot := t.s.Policy.Current()
	if !snapshot.Admits(t.c.Workload, t.c.svid.Issue) {
		return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
	}
	if err := t.denials.update(snapshot); err != nil {
		return err
	}
	if t.recall != nil {
		return nil
	}
	return t.policy.update(snapshot, t.s.Endpoints().ControlPlane)
}

// resync sends everything to a connector to which what came last did not fit.
func (t *conversation) resync() error {
	if !t.resyncs.Allow() {
		return status.Error(codes.ResourceExhausted, "the whole policy was asked for too often")
	}
	t.log.Info("connector asks for the whole policy")
	t.policy.all = true
	return t.sendPolicy()
}

func (t *conversation) goodbye() {
	_ = t.stream.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Goodbye{
		Goodbye: &zerotrustv1.Goodbye{Reason: "the controller is stopping", RetryAfter: durationpb.New(comeBack)},
	}})
}

func (t *conversation) handle(ctx context.Context, req *zerotrustv1.ConnectRequest) error {
	switch m := req.GetMessage().(type) {
	case *zerotrustv1.ConnectRequest_Heartbeat:
		if m.Heartbeat.GetConnectorId() != t.c.ID {
			return status.Error(codes.PermissionDenied, "connector_id is not the id of this SVID")
		}
		t.s.Roster.ConnectorTrusts(t.c.ID, wire.ClipAuthorities(m.Heartbeat.GetBundleAuthorityIds()))
		t.s.Roster.ConnectorBeat(t.c.ID, t.number, svidFromProto(m.Heartbeat.GetSvid()), m.Heartbeat.GetAppliedPolicyRevision())
		t.refuses(wire.Clip(m.Heartbeat.GetRefusal(), wire.MaxReason))
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
