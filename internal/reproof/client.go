package reproof

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// parting is how long the other streams of a connection have to end by
// themselves after the peer ended its Prove stream: a server that stops says
// goodbye on each, in no order.
const parting = 5 * time.Second

// errPlain refuses to use a connection that cannot be proven.
var errPlain = errors.New("the connection was not made with mtls.ClientCredentials")

// Client proves, and has proven, the connections that this program dials.
type Client struct{ party }

// NewClient returns a Client.
func NewClient(own Identity, log *zap.Logger) *Client {
	return &Client{party{own: own, log: log}}
}

// OnRefusal has fn called with each proof that is refused, before the first Around; fn must not
// block.
func (c *Client) OnRefusal(fn func(Refusal)) *Client {
	c.refusedProof = fn
	return c
}

// Status may be called at any time.
func (c *Client) Status() Status { return c.status() }

// Around opens the Prove stream on conn, as its first, and runs use beside it. It
// returns when use has, and has then ended the stream. When the connection is cut,
// use's context ends, and Around returns why it was cut.
//
// Until conn is closed the stream stays open, also when ctx ends: use may take its
// time to say goodbye.
func (c *Client) Around(ctx context.Context, conn *grpc.ClientConn, use func(context.Context) error) error {
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	stream, err := open(ctx, own, stop, conn)
	if err != nil {
		return err
	}
	link := mtls.ConnOf(stream.Context()) //nolint:contextcheck // gRPC's, which knows the connection
	if link == nil {
		return errPlain
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer link.OnClose(cancel)()
	link.OnClose(func(reason error) {
		if !errors.Is(reason, mtls.ErrClosed) {
			c.cut.Add(1) // logged by the caller that redials
		}
	})
	over := make(chan error, 1)
	var receiving sync.WaitGroup
	go func() { over <- c.keep(own, link, clientFrames{stream}, &receiving) }() // joined by over
	err = use(ctx)
	stop()
	cut := <-over
	receiving.Wait()
	if reason := link.Reason(); reason != nil && !errors.Is(reason, mtls.ErrClosed) {
		return reason
	}
	if cut != nil && !errors.Is(cut, errEnded) {
		return cut
	}
	return err
}

// open gives up when ctx ends; the stream itself lives as long as own.
func open(ctx, own context.Context, stop context.CancelFunc, conn *grpc.ClientConn) (zerotrustv1.ReproofService_ProveClient, error) {
	hurry := context.AfterFunc(ctx, stop)
	stream, err := zerotrustv1.NewReproofServiceClient(conn).Prove(own)
	if !hurry() && err == nil {
		err = context.Cause(ctx)
	}
	return stream, err
}

// keep runs the exchange. It returns nil when own ended it, or else why it has the
// connection closed.
func (c *Client) keep(own context.Context, link *mtls.Conn, stream frames, receiving *sync.WaitGroup) error {
	err := c.exchange(link, newGuard(link, c.own), stream, receiving).run(own)
	if errors.Is(err, errEnded) {
		select {
		case <-time.After(parting):
		case <-link.Closed():
		case <-own.Done():
		}
	}
	select {
	case <-own.Done(): // use has returned; its caller closes the connection
		return nil
	default:
		link.CloseAfter(0, err)
		return err
	}
}

// clientFrames is a client's end of the stream.
type clientFrames struct {
	zerotrustv1.ReproofService_ProveClient
}

// Send implements frames.
func (f clientFrames) Send(m *zerotrustv1.ReproofFrame) error {
	return f.ReproofService_ProveClient.Send(&zerotrustv1.ProveRequest{Frame: m})
}

// Recv implements frames.
func (f clientFrames) Recv() (*zerotrustv1.ReproofFrame, error) {
	m, err := f.ReproofService_ProveClient.Recv()
	return m.GetFrame(), err
}
