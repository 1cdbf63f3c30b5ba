package mtls

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
)

// Opened is called with a connection before anything is read from it. An error
// refuses it.
type Opened func(*Conn) error

// ServerCredentials are gRPC's for a listener with ServerConfig. Each connection
// becomes a Conn, which ConnOf finds. (go-spiffe's grpccredentials hide the TLS
// state and with it the exporter.)
func ServerCredentials(c *tls.Config, opened ...Opened) credentials.TransportCredentials {
	return &creds{TransportCredentials: credentials.NewTLS(c), config: c, opened: opened}
}

// ClientCredentials are gRPC's for dialing with ClientConfig, else as
// ServerCredentials.
func ClientCredentials(c *tls.Config, opened ...Opened) credentials.TransportCredentials {
	return ServerCredentials(c, opened...)
}

type creds struct {
	credentials.TransportCredentials

	config *tls.Config
	opened []Opened
	flows  Flows // nil: gRPC only
}

// ClientHandshake implements credentials.TransportCredentials.
func (c *creds) ClientHandshake(ctx context.Context, authority string, socket net.Conn) (net.Conn, credentials.AuthInfo, error) {
	began := time.Now()
	config, shown := witnessed(c.config)
	secured, info, err := credentials.NewTLS(config).ClientHandshake(ctx, authority, socket)
	if err != nil {
		return nil, nil, err
	}
	return c.open(handshake{socket, began, *shown, true}, secured, info)
}

// ServerHandshake implements credentials.TransportCredentials.
func (c *creds) ServerHandshake(socket net.Conn) (net.Conn, credentials.AuthInfo, error) {
	began := time.Now()
	config, shown := witnessed(c.config)
	stranger, known := Greeting(socket)
	secured, info, err := credentials.NewTLS(config).ServerHandshake(stranger)
	if err != nil {
		return nil, nil, err
	}
	known()
	if c.flows != nil && isFlow(info) {
		return c.openFlow(handshake{socket, began, *shown, false}, stranger, secured, info)
	}
	return c.open(handshake{socket, began, *shown, false}, secured, info)
}

// Clone implements credentials.TransportCredentials.
func (c *creds) Clone() credentials.TransportCredentials {
	out := *c
	return &out
}

func (c *creds) open(h handshake, secured net.Conn, info credentials.AuthInfo) (net.Conn, credentials.AuthInfo, error) {
	t, ok := info.(credentials.TLSInfo)
	if !ok {
		_ = secured.Close()
		return nil, nil, ErrNoPeer
	}
	conn, err := newConn(h, &t.State)
	if err != nil {
		_ = secured.Close()
		return nil, nil, err
	}
	if err := admit(conn, c.opened); err != nil {
		return nil, nil, err
	}
	return &tlsConn{Conn: secured, of: conn}, AuthInfo{TLSInfo: t, Conn: conn}, nil
}

// admit closes a connection that one of these refuses.
func admit(conn *Conn, opened []Opened) error {
	for _, fn := range opened {
		if err := fn(conn); err != nil {
			conn.Close(err)
			return err
		}
	}
	return nil
}

// witnessed returns a configuration for one handshake, and which leaf of ours was
// shown in it: TLS does not say, and asking for the SVID a moment later can give
// the next one. The leaf may be read once the handshake has succeeded.
func witnessed(c *tls.Config) (*tls.Config, *[]byte) {
	c = c.Clone()
	shown := new([]byte)
	note := func(cert *tls.Certificate, err error) (*tls.Certificate, error) {
		if err == nil && cert != nil && len(cert.Certificate) > 0 {
			*shown = cert.Certificate[0]
		}
		return cert, err
	}
	if get := c.GetCertificate; get != nil {
		c.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return note(get(h)) }
	}
	if get := c.GetClientCertificate; get != nil {
		c.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) { return note(get(r)) }
	}
	return c, shown
}
