package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
)

// FlowALPN is the protocol of the connections that carry flows (internal/flow). They share
// a listener with gRPC.
const FlowALPN = "zt-flow/1"

// flowExchange is hybrid: what is recorded today stays secret from a quantum computer.
const flowExchange = tls.X25519MLKEM768

// ErrNotFlow refuses a connection that did not agree on what flows need.
var ErrNotFlow = errors.New("not a flow connection: ALPN zt-flow/1 and X25519MLKEM768 are needed")

// Flows takes the connections of a listener whose peer chose FlowALPN.
type Flows interface {
	// Opened is called with a connection before anything is read from it; an error refuses
	// it. The Opened of the listener's credentials are not called.
	Opened(*Conn) error
	// Socket is below TLS from now on, in the place of the socket of the handshake.
	Socket(net.Conn) net.Conn
	// Serve takes the connection and does not block.
	Serve(secured net.Conn, of *Conn)
}

// WithFlows lets a listener with ServerCredentials take flow connections beside gRPC's.
// Whoever makes its credentials calls AuthInfo.Dispatch.
func WithFlows(c credentials.TransportCredentials, to Flows) credentials.TransportCredentials {
	own, ok := c.(*creds)
	if !ok {
		return c
	}
	config := forFlows(own.config)
	config.CurvePreferences = own.config.CurvePreferences // gRPC's clients may choose
	out := *own
	out.TransportCredentials, out.config, out.flows = credentials.NewTLS(config), config, to
	return &out
}

// forFlows is a configuration whose connections carry flows. A record is always full: the
// small first records of TLS help a browser to draw, and cost a flow their number.
func forFlows(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.NextProtos, c.CurvePreferences = []string{FlowALPN}, []tls.CurveID{flowExchange}
	c.DynamicRecordSizingDisabled = true
	return c
}

func isFlow(info credentials.AuthInfo) bool {
	t, ok := info.(credentials.TLSInfo)
	return ok && t.State.NegotiatedProtocol == FlowALPN
}

// openFlow is open for a flow connection. stranger is what the handshake read from.
func (c *creds) openFlow(h handshake, stranger, secured net.Conn, info credentials.AuthInfo) (net.Conn, credentials.AuthInfo, error) {
	own := *c
	own.opened = []Opened{agreed(info), c.flows.Opened}
	wrapped, of, err := own.open(h, secured, info)
	if err != nil {
		return nil, nil, err
	}
	if g, ok := stranger.(*greeting); ok {
		g.Conn = c.flows.Socket(h.socket)
	}
	out := of.(AuthInfo) //nolint:forcetypeassert // of open
	out.flows = c.flows
	return wrapped, out, nil
}

func agreed(info credentials.AuthInfo) Opened {
	return func(*Conn) error {
		if t, ok := info.(credentials.TLSInfo); !ok || t.State.CurveID != flowExchange {
			return ErrNotFlow
		}
		return nil
	}
}

// Flow says that this is a flow connection.
func (a AuthInfo) Flow() bool { return a.flows != nil }

// Dispatch hands a flow connection to its Flows; false is a connection of gRPC's. After
// true, credentials return credentials.ErrConnDispatched.
func (a AuthInfo) Dispatch(secured net.Conn) bool {
	if a.flows == nil {
		return false
	}
	a.flows.Serve(secured, a.Conn)
	return true
}

// DialFlow makes a flow connection of a socket, with a ClientConfig. It closes the socket
// on an error. What it returns first is to be read and written; closing it ends the
// connection without a cut.
func DialFlow(ctx context.Context, socket net.Conn, c *tls.Config) (net.Conn, *Conn, error) {
	began := time.Now()
	config, shown := witnessed(forFlows(c))
	conn := tls.Client(socket, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = socket.Close()
		return nil, nil, err
	}
	state := conn.ConnectionState()
	if state.NegotiatedProtocol != FlowALPN {
		_ = socket.Close()
		return nil, nil, ErrNotFlow
	}
	of, err := newConn(handshake{socket, began, *shown, true}, &state)
	if err != nil {
		_ = socket.Close()
		return nil, nil, err
	}
	return &tlsConn{Conn: conn, of: of}, of, nil
}
