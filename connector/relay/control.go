package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

type controlStream = zerotrustv1.ControlPlaneService_ConnectClient

// errClosed is the end of a stream that the controller closed without a reason.
var errClosed = errors.New("the controller closed the control stream")

// serveControl is one control stream, from the hello to its end.
func (r *Relay) serveControl(ctx context.Context, conn *grpc.ClientConn, established func()) error {
	// The stream outlives ctx by Drain, for the last reports. A controller that
	// does not read cannot hold us longer.
	streamCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	undo := context.AfterFunc(ctx, func() { time.AfterFunc(r.cfg.Timing.Drain, cancel) })
	defer undo()

	stream, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(streamCtx)
	if err != nil {
		return err
	}
	defer r.streamEnded()
	var cause error
	gone := make(chan struct{})
	// joined by gone
	go func() { //nolint:contextcheck // the stream carries its own
		defer close(gone)
		defer cancel() // frees a Send that waits for a controller which has hung up
		cause = r.receive(stream, established)
	}()
	err = r.send(ctx, stream, gone)
	if err == nil || errors.Is(err, io.EOF) { // the reason is on the receiving side
		<-gone
		return cause
	}
	cancel()
	<-gone
	return err
}

// send says hello and then whatever there is to say, until the stream or ctx
// ends. It returns nil when the receiving side ended.
func (r *Relay) send(ctx context.Context, stream controlStream, gone <-chan struct{}) error {
	select {
	case <-r.resync: // of an earlier stream: the hello says what is there
	default:
	}
	select {
	case <-r.returns: // so too
	default:
	}
	if err := stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{Hello: r.hello(ctx)}}); err != nil {
		return err
	}
	// A controller that was away, or is another one, knows none of our tunnelers.
	r.sessions.reportAll()
	r.records.begin()
	swapped, unsubscribe := r.cfg.Identity.Subscribe()
	defer unsubscribe()
	trust, forget := r.cfg.Identity.SubscribeBundle()
	defer forget()
	beat := time.NewTicker(r.cfg.Timing.Heartbeat)
	defer beat.Stop()
	refusals := time.NewTicker(r.cfg.Timing.Refusals)
	defer refusals.Stop()
	for {
		var err error
		select {
		case <-gone:
			return nil
		case <-ctx.Done():
			return r.sayGoodbye(ctx, stream, gone)
		case <-r.outbox.ready:
			err = r.sendReports(stream)
		case <-r.applied:
			err = r.sendHeartbeat(stream)
		case <-r.resync:
			err = stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Resync{Resync: &zerotrustv1.PolicyResync{}}})
		case <-swapped: // the controller waits for the new serial, during a CA rotation above all
			err = r.sendHeartbeat(stream)
		case <-trust: // and for the new authority
			err = r.sendHeartbeat(stream)
		case <-beat.C:
			err = r.sendHeartbeat(stream)
		case denials := <-r.returns:
			err = sendReturns(stream, denials)
		case answer := <-r.answers:
			err = stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_AuditWitness{AuditWitness: answer}})
		case <-r.records.ready:
			err = r.sendRecords(stream, false)
		case <-refusals.C:
			r.records.tick()
			err = r.sendRefusals(stream)
		}
		if err != nil {
			return err
		}
	}
}

func (r *Relay) sendReports(stream controlStream) error {
	for _, report := range r.outbox.take() {
		// Lost when this fails; the next stream begins with a report of everybody
		// attached, and whoever left goes OFFLINE for want of heartbeats.
		if err := stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Tunneler{Tunneler: report}}); err != nil {
			return err
		}
	}
	return nil
}

// sendRefusals reports the peers that we refused; lost when this fails.
func (r *Relay) sendRefusals(stream controlStream) error {
	if proofs := r.unproven.Take(); proofs != nil {
		if err := stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Proofs{Proofs: proofs}}); err != nil {
			return err
		}
	}
	report := r.refused.take()
	if report == nil {
		return nil
	}
	return stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Refusals{Refusals: report}})
}

func (r *Relay) sendHeartbeat(stream controlStream) error {
	defer func() { r.beat.Store(time.Now().UnixNano()) }()
	return stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Heartbeat{Heartbeat: &zerotrustv1.ConnectorHeartbeat{
		ConnectorId: r.cfg.ID, Svid: svidStatus(r.cfg.Identity.Status()),
		BundleAuthorityIds: wire.ClipAuthorities(r.cfg.Identity.AuthorityIDs()), AppliedPolicyRevision: r.policy.revision(),
		Refusal: r.refusalText(), OpenFlows: uint32(max(0, r.FlowStatus().Flows)), //nolint:gosec // there are some thousands
	}}})
}

func (r *Relay) hello(ctx context.Context) *zerotrustv1.ConnectorHello {
	private := r.cfg.PrivateIP
	if private == "" {
		private = routedIP(controllerOf(ctx, r.control.Status().Address))
	}
	r.timeline.Stream()
	r.witness.stream()
	tunnelers, shared, network := r.policy.stream()
	return &zerotrustv1.ConnectorHello{
		ConnectorId: r.cfg.ID, Version: wire.Clip(r.cfg.Version, wire.MaxLabel), InstanceId: r.instance, BootId: controlclient.KernelStart(),
		PrivateIp: private, ListenAddresses: listenAddresses(r.cfg.PrivateIP, private, r.cfg.Listener.Addr()),
		Svid: svidStatus(r.cfg.Identity.Status()), AgentStart: controlclient.AgentStart(ctx, r.cfg.AgentSocket),
		AuditWitnessedSize: r.witness.size(), Protocol: wire.Protocol,
		Policy: tunnelers, SharedRules: shared, NetworkRules: network,
	}
}

// controllerOf is the address the stream really goes to; a name could resolve to
// another one the second time.
func controllerOf(ctx context.Context, dialed string) string {
	if addr, ok := remote(ctx).(*net.TCPAddr); ok {
		return addr.String()
	}
	return dialed
}

// remote is the controller's socket address, nil if there is none.
func remote(ctx context.Context) net.Addr {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr
	}
	return nil
}

// receive applies what the controller sends, until the stream ends.
func (r *Relay) receive(stream controlStream, established func()) error {
	var denials received
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errClosed
		}
		if err != nil {
			return err
		}
		switch m := msg.GetMessage().(type) {
		case *zerotrustv1.ConnectResponse_Policy:
			m.Policy.ControlPlaneAddresses = controlclient.Acceptable(m.Policy.GetControlPlaneAddresses(), remote(stream.Context()))
			if err := r.take(m.Policy); err != nil {
				return err
			}
			established()
		case *zerotrustv1.ConnectResponse_Rules:
			if err := r.takeRules(m.Rules); err != nil {
				return err
			}
		case *zerotrustv1.ConnectResponse_Timeline:
			if err := r.follow(m.Timeline); err != nil {
				return err
			}
		case *zerotrustv1.ConnectResponse_Denials:
			if r.deny(m.Denials, &denials) { // one that was restored sends the policy later
				established()
			}
		case *zerotrustv1.ConnectResponse_AuditCheckpoint:
			r.judge(m.AuditCheckpoint)
		case *zerotrustv1.ConnectResponse_FlowsRecorded:
			r.records.took(m.FlowsRecorded.GetPosition())
		case *zerotrustv1.ConnectResponse_Goodbye:
			return &controlclient.RetryAfter{Delay: m.Goodbye.GetRetryAfter().AsDuration(), Reason: wire.Clip(m.Goodbye.GetReason(), wire.MaxReason)}
		}
	}
}

// take makes a message of the policy effective: first for those who come, then for those
// who are here. An error ends the stream.
//
// While the audit log is not the one we witnessed, the controller can only deny
// (see deny): what is applied stays, and ages as if there were no controller. What it
// sends meanwhile is passed over, and asked for when that is over.
func (r *Relay) take(p *zerotrustv1.PolicyUpdate) error {
	r.applying.Lock()
	defer r.applying.Unlock()
	to, before, timeline := p.GetHeader().GetTo(), r.policy.revision(), r.policy.timeline()
	if r.strays(p.GetHeader().GetTimeline()) {
		return nil
	}
	if err := r.witness.ready(); err != nil {
		r.policy.unlinked()
		if to == r.passed { // said again, since we refuse it
			return nil
		}
		r.passed = to
		r.log.Error("policy refused", zap.Uint64("revision", to), zap.Uint64("applied_revision", before), zap.Error(err))
		r.report()
		return nil
	}
	if err := r.witness.shown(); err != nil {
		r.policy.leave(err)
		r.report()
		return nil
	}
	refused := r.policy.refusal()
	t, err := r.policy.take(p)
	r.ruled(t.rules)
	if err != nil {
		return err
	}
	if (r.policy.refusal() == nil) != (refused == nil) {
		r.report()
	}
	if t.ask {
		r.log.Warn("policy does not lead on from the applied one, all of it is asked for", zap.Uint64("applied_revision", before), zap.Uint64("from", p.GetHeader().GetFrom()), zap.Uint64("to", to))
		r.ask()
	}
	if t.applied {
		r.timeline.Taken(p.GetHeader().GetTimeline())
	}
	if t.changed && (to > before || timeline != p.GetHeader().GetTimeline()) {
		r.witness.owes(r.policy.unlinked)
	}
	if t.everybody {
		r.sweep()
	} else {
		r.sweepOf(t.about)
	}
	if !t.changed {
		return nil
	}
	if known := r.policy.learned().Addresses; len(known) > 0 {
		r.control.Learn(known)
	}
	r.report()
	r.log.Info("policy applied", zap.Uint64("revision", to), zap.Int("tunnelers", r.policy.tunnelerCount()))
	return nil
}

// judge judges a checkpoint and answers. A failure that has ended lets the policy
// in that came meanwhile.
func (r *Relay) judge(c *zerotrustv1.AuditCheckpoint) {
	answer, recovered := r.witness.judge(c)
	select {
	case <-r.answers: // an answer that nobody sent any more, of an earlier stream
	default:
	}
	r.answers <- answer
	switch {
	case answer.GetFailure() != "":
		r.policy.unlinked()
		r.report()
	case r.policy.shown() || recovered:
		r.retake()
	}
}

// sweep ends what the policy does not admit any more: the sessions with a status,
// and a moment later the connections, with whatever rides on them. That needs no
// goroutine of theirs, so a tunneler that reads nothing delays nothing.
func (r *Relay) sweep() {
	r.sessions.sweep(r.policy.admit)
	r.sweepFlows(nil)
	r.conns.CloseMatching(r.cfg.Timing.LastWords, r.policy.connected)
}

// sweepOf is sweep of those that a change is about. Whoever was taken away between the
// handshake and now, and is not known yet, is judged when the connection is known.
func (r *Relay) sweepOf(ids []spiffeid.ID) {
	r.sessions.sweepOf(ids, r.policy.admit)
	r.sweepFlows(ids)
	r.conns.CloseMatchingOf(ids, r.cfg.Timing.LastWords, r.policy.connected)
}
