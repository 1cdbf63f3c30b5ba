package control

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"

	"google.golang.org/grpc/credentials"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// The protocols of the enrollment listener (ALPN, RFC 7301). The server chooses:
// curl offers both and gets HTTP/1.1, gRPC offers h2 alone.
const (
	protoHTTP = "http/1.1"
	protoGRPC = "h2"
)

// split is the TLS of a listener that gRPC shares with a web server.
type split struct {
	credentials.TransportCredentials // for what only a client needs

	config *tls.Config
	web    *webListener
}

func newSplit(t *tls.Config, web *webListener) *split {
	config := t.Clone()
	config.NextProtos = []string{protoHTTP, protoGRPC}
	if current := config.GetConfigForClient; current != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := current(hello)
			if c != nil {
				c.NextProtos = config.NextProtos
			}
			return c, err
		}
	}
	return &split{credentials.NewTLS(t), config, web}
}

// ServerHandshake implements credentials.TransportCredentials. A client that knows
// no ALPN is none of gRPC.
func (s *split) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, ok := raw.(*conn)
	if !ok {
		return nil, nil, fmt.Errorf("a connection of another listener: %T", raw)
	}
	stranger, known := mtls.Greeting(owned{c})
	t := tls.Server(stranger, s.config)
	if err := t.Handshake(); err != nil { //nolint:noctx // gRPC has set the deadline of the connection
		_ = t.Close()
		return nil, nil, err
	}
	known()
	c.EndHandshake() // the web server may take its time to take the connection
	if state := t.ConnectionState(); state.NegotiatedProtocol == protoGRPC {
		return t, credentials.TLSInfo{State: state, CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
	}
	if !s.web.hand(c, t) {
		_ = t.Close()
		return nil, nil, io.EOF // an error that gRPC does not log
	}
	return nil, nil, credentials.ErrConnDispatched
}

// Clone implements credentials.TransportCredentials.
func (s *split) Clone() credentials.TransportCredentials { return newSplit(s.config, s.web) }

// webListener is the listener of the web server: it accepts what the split hands on.
type webListener struct {
	addr   net.Addr
	inside *sourcelimit.Turnstile
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newWebListener(addr net.Addr, most, mostFrom int) *webListener {
	closed := make(chan struct{})
	return &webListener{
		addr: addr, inside: sourcelimit.NewTurnstile(most, mostFrom), conns: make(chan net.Conn),
		closed: closed, close: sync.OnceFunc(func() { close(closed) }),
	}
}

// hand gives a connection away. It is false when the web server has too many, in
// all or of this source, or has stopped.
func (h *webListener) hand(c *conn, t *tls.Conn) bool {
	// An address that does not parse is the zero one: all of those count as one.
	from, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	leave, ok := h.inside.Enter(from.Addr())
	if !ok {
		return false
	}
	c.SetWriteBuffer(webWriteBuffer)
	c.taken.Store(true)
	err := c.Conn.SetDeadline(noDeadline) // that of the handshake
	if err == nil {
		select {
		case h.conns <- &counted{t, sync.OnceFunc(leave)}:
			return true
		case <-h.closed:
		}
	}
	leave()
	return false
}

// Accept implements net.Listener.
func (h *webListener) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (h *webListener) Addr() net.Addr { return h.addr }

// Close implements net.Listener.
func (h *webListener) Close() error {
	h.close()
	return nil
}

// counted is a connection that has a place until it is closed.
type counted struct {
	*tls.Conn

	leave func()
}

// Close hides that of tls.Conn.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
