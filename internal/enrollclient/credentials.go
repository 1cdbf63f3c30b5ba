package enrollclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
)

// UntrustedError is a TLS handshake that failed for a reason which stays.
type UntrustedError struct {
	Err error
	// Ours says that the peer refused us, and not we the peer.
	Ours bool
}

// Error says what to check.
func (e *UntrustedError) Error() string {
	if e.Ours {
		return fmt.Sprintf("the controller refused this host's certificate (%v): if the host was revoked or the controller was replaced, enroll with --new-host", e.Err)
	}
	return fmt.Sprintf("the listener is not the controller of this bootstrap CA (%v): check CONTROLLER_ADDR, CONTROLLER_CA_PATH and TRUST_DOMAIN", e.Err)
}

// Unwrap implements errors.Unwrap.
func (e *UntrustedError) Unwrap() error { return e.Err }

// handshakes remembers why TLS failed, which gRPC would turn into text.
type handshakes struct {
	credentials.TransportCredentials

	shared *failure
}

type failure struct {
	mu       sync.Mutex
	err      error
	listener *x509.Certificate // of the newest handshake that succeeded
	from     net.Addr          // of its other end
	state    tls.ConnectionState
	// unreachable is why the last dial failed.
	unreachable error
}

func newCredentials(c *tls.Config) *handshakes {
	return &handshakes{TransportCredentials: credentials.NewTLS(c), shared: &failure{}}
}

// Clone implements credentials.TransportCredentials.
func (h *handshakes) Clone() credentials.TransportCredentials {
	return &handshakes{TransportCredentials: h.TransportCredentials.Clone(), shared: h.shared}
}

// ClientHandshake implements credentials.TransportCredentials.
func (h *handshakes) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := h.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		var verification *tls.CertificateVerificationError
		if errors.As(err, &verification) {
			h.shared.set(&UntrustedError{Err: verification.Err})
		}
		return nil, nil, err
	}
	if t, ok := info.(credentials.TLSInfo); ok && len(t.State.PeerCertificates) > 0 {
		h.shared.mu.Lock()
		h.shared.listener, h.shared.from, h.shared.state = t.State.PeerCertificates[0], raw.RemoteAddr(), t.State
		h.shared.mu.Unlock()
	}
	return &watchedConn{Conn: conn, shared: h.shared}, info, nil
}

// dial connects, and remembers why it could not.
func (h *handshakes) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	h.shared.mu.Lock()
	defer h.shared.mu.Unlock()
	h.shared.unreachable = err
	return conn, err
}

// unreachable is why the last dial failed, nil if it did not.
func (h *handshakes) unreachable() error {
	h.shared.mu.Lock()
	defer h.shared.mu.Unlock()
	return h.shared.unreachable
}

// listener is the certificate of the peer that we are connected to.
func (h *handshakes) listener() *x509.Certificate {
	h.shared.mu.Lock()
	defer h.shared.mu.Unlock()
	return h.shared.listener
}

// from is the address of the peer that we are connected to, nil before a handshake succeeded.
func (h *handshakes) from() net.Addr {
	h.shared.mu.Lock()
	defer h.shared.mu.Unlock()
	return h.shared.from
}

func (h *handshakes) cause() error {
	h.shared.mu.Lock()
	defer h.shared.mu.Unlock()
	return h.shared.err
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// watchedConn notices an alert. In TLS 1.3 the listener looks at our certificate
// after our handshake is done, so that its refusal is the first thing we read.
type watchedConn struct {
	net.Conn

	shared *failure
}

// Read implements net.Conn.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" { // how crypto/tls marks an alert
		c.shared.set(&UntrustedError{Err: op.Err, Ours: true})
	}
	return n, err
}
