package mtls

import (
	"errors"
	"net"
)

// maxHandshake bounds what a listener reads from a peer that it does not know yet: a
// hello with a post-quantum key and a chain of certificates fit several times over.
// TLS itself would keep a quarter of a megabyte of certificates for a stranger.
const maxHandshake = 32 << 10

var errLongHandshake = errors.New("handshake of more than 32 KiB")

// Greeting bounds what is read from a connection until over is called, which ends the
// bound for whoever reads next. For a listener whose TLS is not of ServerCredentials.
func Greeting(c net.Conn) (bounded net.Conn, over func()) {
	g := &greeting{Conn: c, left: maxHandshake}
	return g, g.over
}

// greeting is a connection during its handshake.
type greeting struct {
	net.Conn

	left int // bytes; negative when the peer is known
}

// Read implements net.Conn.
func (g *greeting) Read(p []byte) (int, error) {
	if g.left < 0 {
		return g.Conn.Read(p)
	}
	if g.left == 0 {
		return 0, errLongHandshake
	}
	n, err := g.Conn.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// NetConn is what it reads from, as of a tls.Conn.
func (g *greeting) NetConn() net.Conn { return g.Conn }

func (g *greeting) over() { g.left = -1 }
