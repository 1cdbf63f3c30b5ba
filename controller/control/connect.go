package control

import (
	"context"
	"errors"
	"io"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

const (
	// Lines in the log about what a connector relays: some at once, then one a minute.
	complainEvery, maxComplaints = time.Minute, 8
	// How often a connector may ask for the whole policy: some times at once, then one in
	// ten seconds.
	resyncEvery, maxResyncs = 10 * time.Second, 8
)

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
		if s.Flows != nil {
			s.Flows.Left(c.ID, t.number)
		}
		s.Roster.ConnectorDown(c.ID, t.number)
		t.rules.leave()
		release()
		woken.leave()
	}
	t.begin(hello, has)
	return t, nil
}

// begin prepares what the conversation is about.
func (t *conversation) begin(hello fleet.Hello, has *zerotrustv1.ConnectorHello) {
	s, td := t.s, t.c.conn.Peer().TrustDomain()
	t.log.Info("control stream opened", zap.String("version", hello.Version), zap.String("instance_id", hello.InstanceID))
	t.instance = hello.InstanceID
	t.complaints = rate.NewLimiter(rate.Every(complainEvery), maxComplaints)
	t.resyncs = rate.NewLimiter(rate.Every(resyncEvery), maxResyncs)
	t.messages = s.Patience.limiter()
	t.witness = newWitnessing(s.Audit, hello.Witnessed)
	if closed(s.Recall) {
		t.recall = s.Recall.Open()
	}
	s.share()
	t.denials = denying{denials: &s.denials, td: td, stream: t.stream}
	t.policy = following[policy.Tunneler, *zerotrustv1.PolicyTunneler]{updates: &s.updates, stream: t.stream, td: td, each: true}
	t.policy.begin(has.GetPolicy())
	t.rules = s.rules.follow(t.stream, td, has.GetSharedRules(), has.GetNetworkRules())
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
