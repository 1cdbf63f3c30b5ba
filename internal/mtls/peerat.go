package mtls

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
)

// PeerAt says who answers at an address (host:port): the SVID that it proves there by a
// handshake, verified against the bundles. We show none, so the peer refuses us right
// after it; that is for a host that has no identity yet, and leads to no conversation.
// On an error the SPIFFE ID is that of a peer which authorize refused, or zero.
func PeerAt(ctx context.Context, addr string, bundles x509bundle.Source, authorize Authorizer) (spiffeid.ID, SVIDStatus, error) {
	socket, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return spiffeid.ID{}, SVIDStatus{}, err
	}
	defer func() { _ = socket.Close() }()
	var who spiffeid.ID
	config := harden(tlsconfig.TLSClientConfig(bundles, tlsconfig.AuthorizeOneOf()), bundles, func(id spiffeid.ID) error {
		who = id
		return authorize(id)
	})
	config.NextProtos = []string{"h2"}
	conn := tls.Client(socket, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return who, SVIDStatus{}, err
	}
	return who, Describe(conn.ConnectionState().PeerCertificates[0]), nil
}
