package rpcauth

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

const (
	// callTimeout ends an RPC with one request and one reply, also one whose request
	// never comes. Our clients wait 20 s.
	callTimeout = 30 * time.Second
	// requestTimeout is for the one request of an RPC that is answered by a stream.
	requestTimeout = 10 * time.Second
)

var errTooManyCalls = status.Error(codes.ResourceExhausted, "too many calls; wait before the next one")

// How often a peer may begin an RPC, and an identity a connection. A peer of ours
// opens two streams when it connects, and waits between two attempts; behind one
// address there may be a thousand hosts.
const (
	callEvery, callBurst           = 500 * time.Millisecond, 120
	strangerEvery, strangerBurst   = 5 * time.Millisecond, 2000
	handshakeEvery, handshakeBurst = time.Second, 60
	// A flow has a connection of its own, which is used again; a handshake costs half a
	// millisecond of a core.
	flowEvery, flowBurst = 5 * time.Millisecond, 2048
)

// arrivals decides which RPCs begin, before anything of one is read but its headers.
type arrivals struct {
	peers     *sourcelimit.Keyed[string] // by identity
	strangers *sourcelimit.Limiter       // by address
	streams   map[string]protoreflect.MethodDescriptor
}

func newArrivals(r Rules) *arrivals {
	a := &arrivals{
		peers:     sourcelimit.NewIdentities(callEvery, callBurst, time.Now),
		strangers: sourcelimit.New(strangerEvery, strangerBurst, time.Now),
		streams:   map[string]protoreflect.MethodDescriptor{},
	}
	for method := range r {
		if d := describe(method); d != nil && (d.IsStreamingClient() || d.IsStreamingServer()) {
			a.streams[method] = d
		}
	}
	return a
}

// describe is nil for a method that nothing here knows.
func describe(fullMethod string) protoreflect.MethodDescriptor {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(fullMethod, "/"), "/", "."))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil
	}
	m, _ := d.(protoreflect.MethodDescriptor)
	return m
}

// begin is a tap.ServerInHandle. The context that it returns ends the RPC: gRPC reads
// the request before any interceptor runs, and would wait for it for ever. Where the
// caller sends a stream, the handler waits for each message, and no longer than it
// wants to.
func (a *arrivals) begin(ctx context.Context, info *tap.Info) (context.Context, error) {
	if !a.allow(ctx) {
		return ctx, errTooManyCalls
	}
	d := a.streams[info.FullMethodName]
	if d != nil && d.IsStreamingClient() {
		return ctx, nil
	}
	bounded, cancel := bound(ctx, d == nil)
	r := &request{time.AfterFunc(requestTimeout, cancel)}
	context.AfterFunc(ctx, func() { r.arrived(); cancel() })
	return context.WithValue(bounded, requestKey{}, r), nil
}

func bound(ctx context.Context, unary bool) (context.Context, context.CancelFunc) {
	if unary {
		return context.WithTimeout(ctx, callTimeout)
	}
	return context.WithCancel(ctx)
}

func (a *arrivals) allow(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return true // without a connection, in a test
	}
	if id := Identity(p.AuthInfo); id != "" {
		return a.peers.AllowKey(id)
	}
	if p.Addr == nil {
		return a.strangers.Allow(netip.Addr{})
	}
	// An address that does not parse is the zero one: all of those count as one.
	from, _ := netip.ParseAddrPort(p.Addr.String())
	return a.strangers.Allow(from.Addr())
}

type requestKey struct{}

// request is that of an RPC which has one.
type request struct{ late *time.Timer }

func (r *request) arrived() {
	if r != nil {
		r.late.Stop()
	}
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// Identity is who a connection belongs to: the URI SAN of the certificate that its
// handshake has verified, empty without one.
func Identity(info credentials.AuthInfo) string {
	var state tls.ConnectionState
	switch info := info.(type) {
	case mtls.AuthInfo:
		return info.Conn.Peer().String()
	case credentials.TLSInfo:
		state = info.State
	}
	if len(state.VerifiedChains) == 0 || len(state.PeerCertificates[0].URIs) == 0 {
		return ""
	}
	return state.PeerCertificates[0].URIs[0].String()
}

// Credentials are those of a listener that sourcelimit limits: the addresses take turns
// in their handshakes, an authenticated connection moves to its identity, and the frames
// of each are counted.
func Credentials(of credentials.TransportCredentials) credentials.TransportCredentials {
	return &limited{
		of, sourcelimit.NewIdentities(handshakeEvery, handshakeBurst, time.Now), sourcelimit.NewIdentities(flowEvery, flowBurst, time.Now),
	}
}

type limited struct {
	credentials.TransportCredentials

	handshakes, flows *sourcelimit.Keyed[string]
}

// Clone implements credentials.TransportCredentials.
func (l *limited) Clone() credentials.TransportCredentials {
	return &limited{l.TransportCredentials.Clone(), l.handshakes, l.flows}
}

// ServerHandshake implements credentials.TransportCredentials.
func (l *limited) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c := sourcelimit.LimitedOf(raw)
	if c != nil {
		c.BeginHandshake()
		defer c.EndHandshake()
	}
	secured, info, err := l.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	id, limit := Identity(info), l.handshakes
	if m, ok := info.(mtls.AuthInfo); ok && m.Flow() {
		limit = l.flows
	}
	if id != "" && !limit.AllowKey(id) {
		if c != nil {
			c.Flood()
		}
		_ = secured.Close()
		return nil, nil, io.EOF // an error that gRPC does not log, as often as it comes
	}
	if c != nil {
		c.Identify(id)
	}
	if m, ok := info.(mtls.AuthInfo); ok && m.Dispatch(secured) {
		return nil, nil, credentials.ErrConnDispatched
	}
	return sourcelimit.Frames(secured, func(reason error) { cut(raw, info, reason) }), info, nil
}

// cut closes a connection at once; an mTLS one notes why.
func cut(raw net.Conn, info credentials.AuthInfo, reason error) {
	if c := sourcelimit.LimitedOf(raw); c != nil {
		defer c.Flood()
	}
	if m, ok := info.(mtls.AuthInfo); ok {
		m.Conn.Close(reason)
		return
	}
	_ = raw.Close()
}
