package core_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
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
	opening = 32
	// signing is how many SVIDs a process asks for at once.
	signing = 4
	// beat is between two heartbeats of a stream.
	beat = 10 * time.Second
	// again is the pause before a stream that was lost is opened again.
	again = time.Second
	// fresh is how old an SVID may be when a stream is opened with it. It lives an hour.
	fresh = 25 * time.Minute
)

// clients are the connectors of one process. Their SVIDs are signed once and used for
// all streams that they open one after the other.
type clients struct {
	part

	out io.Writer
	own map[int]signed
}

type signed struct {
	*mtlstest.Identity

	at time.Time
}

// stream obeys lines of its input:
//
//	open ADDRESS BARE FROM N   opens streams of N connectors; "open N": they have the policy
//	acknowledge BOOL           whether they tell at once that they have come to a position
//	received                   "received BYTES LARGEST LOST": bytes of all messages and of the
//	                           largest, and how often a stream was lost and opened again
//	close                      "closed": the streams are
//
// Unasked it says "at POSITION" when all streams have come to one.
func (p part) stream(t *testing.T, in io.Reader, out io.Writer) {
	t.Helper()
	c := &clients{part: p, out: out, own: map[int]signed{}}
	var now *streams
	end := func() {
		if now != nil {
			now.close()
		}
		now = nil
	}
	defer end()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "open":
			end()
			now = c.open(t, rest)
			c.say("open %d", now.n)
		case "acknowledge":
			now.acknowledge.Store(rest == "true")
		case "received":
			c.say("received %d %d %d", now.bytes.Load(), now.largest.Load(), now.lost.Load())
		case "close":
			end()
			c.say("closed .")
		}
	}
}

func (c *clients) say(format string, args ...any) { _, _ = fmt.Fprintf(c.out, format+"\n", args...) }

func (p part) signer(t *testing.T) *bulk.Signer {
	t.Helper()
	return bulk.NewSigner(t, &world.Controller{Dir: p.Controller, Run: world.RunFile{TrustDomain: td.Name()}})
}

// sign has SVIDs signed for those that have none, or an old one.
func (c *clients) sign(t *testing.T, from, n int) {
	t.Helper()
	var wanted []int
	for i := from; i < from+n; i++ {
		if old, ok := c.own[i]; !ok || time.Since(old.at) > fresh {
			wanted = append(wanted, i)
		}
	}
	if len(wanted) == 0 {
		return
	}
	signer := c.signer(t)
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(signing)
	for _, i := range wanted {
		g.Go(func() error {
			own := signed{signer.Identity(t, identity.Workload{Kind: identity.KindConnector, ID: bulk.ID(identity.KindConnector, i)}), time.Now()}
			mu.Lock()
			defer mu.Unlock()
			c.own[i] = own
			return nil
		})
	}
	require.NoError(t, g.Wait())
}

// streams are the open control streams of one process. They tell when all of them have
// come to a position.
type streams struct {
	*clients

	at      string // where they go, host:port
	bare    bool   // that is the bare gRPC server
	from, n int

	acknowledge atomic.Bool
	bytes       atomic.Int64 // of all messages that came
	largest     atomic.Int64
	lost        atomic.Int64
	cancel      context.CancelFunc
	all         sync.WaitGroup

	mu     sync.Mutex
	known  *zerotrustv1.Position // what the first stream was sent whole
	passed map[uint64]int        // streams that have come to a position
}

// open returns when all streams have the policy.
func (c *clients) open(t *testing.T, args string) *streams {
	t.Helper()
	s := &streams{clients: c, passed: map[uint64]int{}}
	_, err := fmt.Sscan(args, &s.at, &s.bare, &s.from, &s.n)
	require.NoError(t, err)
	c.sign(t, s.from, s.n)
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(t.Context())
	turns := make(chan struct{}, opening)
	var opened sync.WaitGroup
	for i := s.from; i < s.from+s.n; i++ {
		turns <- struct{}{}
		ready := make(chan struct{})
		opened.Add(1)
		s.all.Go(func() {
			done := sync.OnceFunc(func() { close(ready); <-turns; opened.Done() })
			defer done()
			c := &connector{streams: s, id: bulk.ID(identity.KindConnector, i), i: i, own: s.own[i].Identity, applied: make(chan struct{}, 1)}
			for {
				err := c.connect(ctx, done)
				if ctx.Err() != nil {
					return
				}
				// A machine that is too busy loses some; a connector comes back too.
				s.lost.Add(1)
				fmt.Fprintf(os.Stderr, "%s %s lost its stream: %v\n", time.Now().Format(time.TimeOnly), c.id, err)
				select {
				case <-time.After(again):
				case <-ctx.Done():
				}
			}
		})
		if i == s.from { // the others say that they have what it was sent
			<-ready
		}
	}
	opened.Wait()
	return s
}

func (s *streams) close() {
	s.cancel()
	s.all.Wait()
}

// connector is the far end of one control stream.
type connector struct {
	*streams

	id      string
	i       int
	own     *mtlstest.Identity
	applied chan struct{} // a position was come to
	revised atomic.Uint64 // which
	has     *zerotrustv1.Position
}

// connect opens a connection with its stream, until ctx ends or it is lost. open is called
// when it has the policy.
func (c *connector) connect(ctx context.Context, open func()) error {
	from := &net.TCPAddr{IP: net.IPv4(127, 1, byte(c.i/250), byte(1+c.i%250))}
	conn, err := grpc.NewClient("passthrough:///"+c.at, grpc.WithNoProxy(),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(c.own, mtls.Kinds(td, identity.KindController)))),
		grpc.WithReadBufferSize(4<<10), grpc.WithWriteBufferSize(4<<10),
		grpc.WithContextDialer(func(ctx context.Context, at string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: from}).DialContext(ctx, "tcp", at)
		}))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	use := func(ctx context.Context) error { return c.use(ctx, conn, open) }
	if c.bare {
		return use(ctx)
	}
	return reproof.NewClient(c.own, zap.NewNop()).Around(ctx, conn, use)
}

func (c *connector) use(ctx context.Context, conn *grpc.ClientConn, open func()) error {
	stream, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(ctx)
	if err != nil {
		return err
	}
	known := c.has
	if known == nil {
		c.mu.Lock()
		known = c.known
		c.mu.Unlock()
	}
	hello := &zerotrustv1.ConnectorHello{
		ConnectorId: c.id, Version: "core", InstanceId: "core", BootId: "core", PrivateIp: "127.0.0.1",
		ListenAddresses: []string{fmt.Sprintf("127.0.0.1:%d", 1024+c.i)}, Protocol: wire.Protocol, Policy: known,
	}
	if err := stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{Hello: hello}}); err != nil {
		return err
	}
	beats := make(chan error, 1)
	go func() { beats <- c.beat(stream) }()
	err = c.receive(stream, open)
	_ = stream.CloseSend()
	if beaten := <-beats; err == nil {
		err = beaten
	}
	return err
}

// beat sends heartbeats, which are spread over time as those of a fleet are. The bare
// server gets acknowledgements only.
func (c *connector) beat(stream zerotrustv1.ControlPlaneService_ConnectClient) error {
	next := time.NewTimer(beat * time.Duration(c.i%1000) / 1000)
	defer next.Stop()
	if c.bare {
		next.Stop()
	}
	for {
		select {
		case <-stream.Context().Done():
			return nil
		case <-c.applied:
		case <-next.C:
			next.Reset(beat)
		}
		svid := c.own.Status()
		err := stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Heartbeat{Heartbeat: &zerotrustv1.ConnectorHeartbeat{
			ConnectorId: c.id, AppliedPolicyRevision: c.revised.Load(), BundleAuthorityIds: c.own.AuthorityIDs(),
			Svid: &zerotrustv1.SVIDStatus{Serial: svid.Serial, AuthorityId: svid.AuthorityID, NotAfter: timestamppb.New(svid.NotAfter)},
		}}})
		if err != nil {
			return err
		}
	}
}

// receive counts what comes.
func (c *connector) receive(stream zerotrustv1.ControlPlaneService_ConnectClient, open func()) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		size := int64(proto.Size(m))
		c.bytes.Add(size)
		for was := c.largest.Load(); size > was && !c.largest.CompareAndSwap(was, size); was = c.largest.Load() {
		}
		if g := m.GetGoodbye(); g != nil {
			return fmt.Errorf("sent away: %s", g.GetReason())
		}
		h := m.GetPolicy().GetHeader()
		if h == nil || h.GetPart() != h.GetParts() || h.GetTo() <= c.revised.Load() {
			continue
		}
		c.arrived(c.revised.Load(), h)
		c.has = &zerotrustv1.Position{Timeline: h.GetTimeline(), At: h.GetTo(), Digest: h.GetDigest()}
		c.revised.Store(h.GetTo())
		open()
		if c.acknowledge.Load() {
			select {
			case c.applied <- struct{}{}:
			default:
			}
		}
	}
}

// arrived counts a stream that came from one position to another.
func (s *streams) arrived(from uint64, h *zerotrustv1.UpdateHeader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil && !s.bare {
		s.known = &zerotrustv1.Position{Timeline: h.GetTimeline(), At: h.GetTo(), Digest: h.GetDigest()}
	}
	for at := max(from+1, s.known.GetAt()); at <= h.GetTo(); at++ {
		s.passed[at]++
		if s.passed[at] == s.n {
			s.say("at %d", at)
		}
	}
}
