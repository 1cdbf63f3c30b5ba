package control

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Caps of a listener that the program gave none.
var (
	enrollmentCaps = EnrollmentCaps(sourcelimit.Caps{Most: 4096, Anonymous: 2048, AnonymousFrom: 1024})
	controlCaps    = sourcelimit.Caps{Most: 16384, Anonymous: 2048, AnonymousFrom: 1024}
)

// maxHostConnections is how many connections to the enrollment listener one host may
// have with its certificate; more of them count as a stranger's.
const maxHostConnections = 16

// EnrollmentCaps are caps of the enrollment listener, with its own for a host.
func EnrollmentCaps(c sourcelimit.Caps) sourcelimit.Caps {
	c.PerIdentity = maxHostConnections
	return c
}

// listener takes the connections of gRPC.
type listener struct{ *sourcelimit.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: sourcelimit.LimitedOf(c)}, nil
}

type conn struct {
	*sourcelimit.Conn

	// taken is set when the connection is not gRPC's any more.
	taken atomic.Bool
}

// SetDeadline implements net.Conn for gRPC, which clears the deadline of every
// connection after its handshake: also of one that it was asked to leave alone, and
// with it the deadline by which a request must have arrived.
func (c *conn) SetDeadline(t time.Time) error {
	if c.taken.Load() {
		return nil
	}
	return c.Conn.SetDeadline(t)
}

// owned is the connection for its TLS, whose deadlines always count.
type owned struct{ *conn }

// SetDeadline hides that of conn.
func (o owned) SetDeadline(t time.Time) error { return o.Conn.SetDeadline(t) }
