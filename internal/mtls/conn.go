package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// ExporterLabel names the value that both ends of a connection derive from its
// TLS secrets and nobody else can (RFC 8446 section 7.5, used as in RFC 9266).
const ExporterLabel = "EXPORTER-zerotrust-reproof-v1"

// Exporter is that value.
type Exporter [32]byte

// ErrClosed is the reason of a connection that was closed without another.
var ErrClosed = errors.New("connection closed")

// Conn is an open mTLS connection: who is at the other end, what that end has
// proved since, and the means to cut it.
type Conn struct {
	self, peer spiffeid.ID
	shown      []byte // our leaf at the handshake, DER
	client     bool
	exporter   Exporter
	derive     func(label string, context []byte, length int) ([]byte, error)
	socket     net.Conn // below TLS
	openedWith SVIDStatus
	began      time.Time
	closed     chan struct{}

	mu       sync.Mutex
	reason   error
	timer    *time.Timer // closes, for the reason pending
	pending  error
	proven   []*x509.Certificate // the chain of the last proof, of the handshake at first
	count    int
	nextHook int
	onClose  map[int]func(error)
	onProof  map[int]func(SVIDStatus)
}

// handshake is what is known beside the TLS state.
type handshake struct {
	socket net.Conn
	began  time.Time
	shown  []byte // our leaf, DER
	client bool
}

// newConn reads a finished handshake.
func newConn(h handshake, state *tls.ConnectionState) (*Conn, error) {
	if len(state.PeerCertificates) == 0 {
		return nil, ErrNoPeer
	}
	id, err := x509svid.IDFromCert(state.PeerCertificates[0])
	if err != nil {
		return nil, err
	}
	self, err := leafID(h.shown)
	if err != nil {
		return nil, fmt.Errorf("own certificate: %w", err)
	}
	value, err := state.ExportKeyingMaterial(ExporterLabel, nil, len(Exporter{}))
	if err != nil {
		return nil, fmt.Errorf("export keying material: %w", err)
	}
	return &Conn{
		self: self, peer: id, shown: h.shown, client: h.client, exporter: Exporter(value), derive: state.ExportKeyingMaterial, socket: h.socket, began: h.began,
		openedWith: Describe(state.PeerCertificates[0]), proven: state.PeerCertificates, closed: make(chan struct{}),
		onClose: map[int]func(error){}, onProof: map[int]func(SVIDStatus){},
	}, nil
}

func leafID(der []byte) (spiffeid.ID, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return spiffeid.ID{}, err
	}
	return x509svid.IDFromCert(leaf)
}

// ConnOf is the connection of an RPC; on the side that calls, of a stream's
// context. It is nil for an RPC that did not come over ServerCredentials or
// ClientCredentials.
func ConnOf(ctx context.Context) *Conn {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(AuthInfo)
	if !ok {
		return nil
	}
	return info.Conn
}

// AuthInfo is what the RPCs of a connection know of it.
type AuthInfo struct {
	credentials.TLSInfo

	Conn *Conn

	flows Flows // nil: this is gRPC's own connection
}

// Peer is the SPIFFE ID of the other end. It never changes.
func (c *Conn) Peer() spiffeid.ID { return c.peer }

// Self is the SPIFFE ID that this end showed. It never changes.
func (c *Conn) Self() spiffeid.ID { return c.self }

// Dialed says that this end opened the connection.
func (c *Conn) Dialed() bool { return c.client }

// Shown is the leaf that this end showed at the handshake, DER.
func (c *Conn) Shown() []byte { return c.shown }

// OpenedWith describes the leaf that the peer showed at the handshake.
func (c *Conn) OpenedWith() SVIDStatus { return c.openedWith }

// Began is when this end began the handshake. The peer signed what this end made
// up after it, so the peer's program ran at some time after it.
func (c *Conn) Began() time.Time { return c.began }

// Exporter is the value that only the two ends of this connection know.
func (c *Conn) Exporter() Exporter { return c.exporter }

// Derive is another value of that kind, under a label of its own.
func (c *Conn) Derive(label string) (Exporter, error) {
	value, err := c.derive(label, nil, len(Exporter{}))
	if err != nil {
		return Exporter{}, fmt.Errorf("export keying material: %w", err)
	}
	return Exporter(value), nil
}

// LocalAddr is this end's address.
func (c *Conn) LocalAddr() net.Addr { return c.socket.LocalAddr() }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.socket.RemoteAddr() }

// Proven describes the SVID that the peer proved last, and says how often it has
// proved one since the handshake.
func (c *Conn) Proven() (st SVIDStatus, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Describe(c.proven[0]), c.count
}

// ProvenChain is the chain that the peer proved last, leaf first.
func (c *Conn) ProvenChain() []*x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proven
}

// Proved notes a verified proof. Its caller is the verifier, internal/reproof.
func (c *Conn) Proved(chain []*x509.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proven = chain
	c.count++
	st := Describe(chain[0])
	for _, fn := range c.onProof {
		fn(st)
	}
}

// OnProof calls fn with what the peer has proved: at once, and after each proof
// until forget is called. fn must not block and must not use the connection.
func (c *Conn) OnProof(fn func(SVIDStatus)) (forget func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(Describe(c.proven[0]))
	n := c.nextHook
	c.nextHook++
	c.onProof[n] = fn
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.onProof, n)
	}
}

// OnClose calls fn once with the reason when the connection closes, at once when
// it has. What rides on the connection ends with it by this hook. forget undoes it.
func (c *Conn) OnClose(fn func(reason error)) (forget func()) {
	c.mu.Lock()
	if reason := c.reason; reason != nil {
		c.mu.Unlock()
		fn(reason)
		return func() {}
	}
	defer c.mu.Unlock()
	n := c.nextHook
	c.nextHook++
	c.onClose[n] = fn
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.onClose, n)
	}
}

// Close cuts the connection at once, whatever is on its way: it does not say
// goodbye in TLS, for which a peer that reads nothing could make it wait, and
// resets TCP, so that such a peer learns of it too. The first reason counts.
func (c *Conn) Close(reason error) {
	if reason == nil {
		reason = ErrClosed
	}
	if s, ok := c.socket.(interface{ SetLinger(sec int) error }); ok {
		_ = s.SetLinger(0)
	}
	c.end(reason, c.socket.Close)
}

// CloseAfter is Close in a little while, in which the last words to a peer that reads
// arrive. Call it before they are sent: the reason counts also when the peer hangs up on them.
func (c *Conn) CloseAfter(d time.Duration, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil && c.timer == nil {
		c.pending = reason
		c.timer = time.AfterFunc(d, func() { c.Close(reason) })
	}
}

// Closed is closed when the connection is.
func (c *Conn) Closed() <-chan struct{} { return c.closed }

// Reason is why the connection closed, nil while it is open.
func (c *Conn) Reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// end notes the reason, closes, and then calls the subscribers, in this order: gRPC
// sees the socket fail and would be first with a reason that explains nothing.
func (c *Conn) end(reason error, closeSocket func() error) {
	c.mu.Lock()
	if c.pending != nil {
		reason = c.pending
	}
	first := c.reason == nil
	var hooks map[int]func(error)
	if first {
		c.reason = reason
		hooks, c.onClose, c.onProof = c.onClose, nil, map[int]func(SVIDStatus){}
		if c.timer != nil {
			c.timer.Stop()
		}
	}
	c.mu.Unlock()
	_ = closeSocket()
	if !first {
		return
	}
	close(c.closed)
	for _, fn := range hooks {
		fn(reason)
	}
}

// tlsConn is what gRPC reads and writes. Closing it is an end without a cut.
type tlsConn struct {
	net.Conn

	of *Conn
}

// NetConn is the TLS connection, whose own is what it reads from.
func (t *tlsConn) NetConn() net.Conn { return t.Conn }

// Close implements net.Conn.
func (t *tlsConn) Close() error {
	t.of.end(ErrClosed, t.Conn.Close)
	return nil
}
