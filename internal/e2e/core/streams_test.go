package core_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/crowd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const (
	// opening is how many streams a process opens at once.
	opening = 16
	// beat is between two heartbeats of a stream.
	beat = 10 * time.Second
)

// streams are the control streams of one process. They tell when all of them have come
// to a position.
type streams struct {
	part

	out     io.Writer
	bytes   atomic.Int64 // of all messages that came
	largest atomic.Int64

	mu     sync.Mutex
	known  *zerotrustv1.Position // what the first stream was sent whole
	passed map[uint64]int        // streams that have come to a position
}

// stream opens its streams and says:
//
//	open N                 all are, and have the policy
//	at POSITION            all have come to it
//	received BYTES LARGEST answers "received": bytes of all messages, and of the largest
func (p part) stream(t *testing.T, in io.Reader, out io.Writer) {
	t.Helper()
	s := &streams{part: p, out: out, passed: map[uint64]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	signer := p.signer(t)
	turns := make(chan struct{}, opening)
	var opened sync.WaitGroup
	for i := range p.N {
		turns <- struct{}{}
		w := identity.Workload{Kind: identity.KindConnector, ID: crowd.ID(identity.KindConnector, p.From+i)}
		own := signer.Identity(t, w)
		ready := make(chan struct{})
		opened.Add(1)
		all.Go(func() {
			var once sync.Once
			done := func() { once.Do(func() { close(ready); <-turns; opened.Done() }) }
			defer done()
			if err := s.one(ctx, i, w.ID, own, done); err != nil && ctx.Err() == nil {
				t.Errorf("stream of %s: %v", w.ID, err)
			}
		})
		if i == 0 { // the others say that they have what it was sent
			<-ready
		}
	}
	opened.Wait()
	s.say("open %d", p.N)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		s.say("received %d %d", s.bytes.Load(), s.largest.Load())
	}
}

func (s *streams) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

func (p part) signer(t *testing.T) *crowd.Signer {
	t.Helper()
	return crowd.NewSigner(t, &world.Controller{Dir: p.Controller, Run: world.RunFile{TrustDomain: td.Name()}})
}

// one is a connection with its stream, until ctx ends. open is called when it has the
// policy.
func (s *streams) one(ctx context.Context, i int, id string, own *mtlstest.Identity, open func()) error {
	from := &net.TCPAddr{IP: net.IPv4(127, 1, byte((s.From+i)/250), byte(1+(s.From+i)%250))}
	conn, err := grpc.NewClient("passthrough:///"+s.At, grpc.WithNoProxy(),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(own, mtls.Kinds(td, identity.KindController)))),
		grpc.WithReadBufferSize(4<<10), grpc.WithWriteBufferSize(4<<10),
		grpc.WithContextDialer(func(ctx context.Context, at string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: from}).DialContext(ctx, "tcp", at)
		}))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	use := func(ctx context.Context) error { return s.use(ctx, conn, i, id, open) }
	if s.Bare {
		return use(ctx)
	}
	return reproof.NewClient(own, zap.NewNop()).Around(ctx, conn, use)
}

func (s *streams) use(ctx context.Context, conn *grpc.ClientConn, i int, id string, open func()) error {
	stream, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	known := s.known
	s.mu.Unlock()
	hello := &zerotrustv1.ConnectorHello{
		ConnectorId: id, Version: "core", InstanceId: "core", BootId: "core", PrivateIp: "127.0.0.1",
		ListenAddresses: []string{fmt.Sprintf("127.0.0.1:%d", 1024+i)}, Protocol: wire.Protocol, Policy: known,
	}
	if err := stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{Hello: hello}}); err != nil {
		return err
	}
	beats := make(chan error, 1)
	go func() { beats <- s.beat(stream, id, i) }()
	err = s.receive(stream, open)
	_ = stream.CloseSend()
	if beaten := <-beats; err == nil {
		err = beaten
	}
	return err
}

// beat sends heartbeats, which are spread over time as those of a fleet are.
func (s *streams) beat(stream zerotrustv1.ControlPlaneService_ConnectClient, id string, i int) error {
	if s.Bare {
		return nil
	}
	next := time.NewTimer(beat * time.Duration(i%1000) / 1000)
	defer next.Stop()
	for {
		select {
		case <-stream.Context().Done():
			return nil
		case <-next.C:
		}
		next.Reset(beat)
		err := stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Heartbeat{Heartbeat: &zerotrustv1.ConnectorHeartbeat{ConnectorId: id}}})
		if err != nil {
			return err
		}
	}
}

// receive counts what comes.
func (s *streams) receive(stream zerotrustv1.ControlPlaneService_ConnectClient, open func()) error {
	var at uint64
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		size := int64(proto.Size(m))
		s.bytes.Add(size)
		for was := s.largest.Load(); size > was && !s.largest.CompareAndSwap(was, size); was = s.largest.Load() {
		}
		if g := m.GetGoodbye(); g != nil {
			return fmt.Errorf("sent away: %s", g.GetReason())
		}
		h := m.GetPolicy().GetHeader()
		if h == nil || h.GetPart() != h.GetParts() || h.GetTo() <= at {
			continue
		}
		s.arrived(at, h)
		at = h.GetTo()
		open()
	}
}

// arrived counts a stream that came from one position to another.
func (s *streams) arrived(from uint64, h *zerotrustv1.UpdateHeader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil && !s.Bare {
		s.known = &zerotrustv1.Position{Timeline: h.GetTimeline(), At: h.GetTo(), Digest: h.GetDigest()}
	}
	for at := max(from+1, s.known.GetAt()); at <= h.GetTo(); at++ {
		s.passed[at]++
		if s.passed[at] == s.N {
			s.say("at %d", at)
		}
	}
}
