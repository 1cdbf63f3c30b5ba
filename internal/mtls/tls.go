package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Identity is where a TLS configuration takes its SVID and bundles from; Source
// is the one used outside tests.
type Identity interface {
	x509svid.Source
	x509bundle.Source
}

// Authorizer accepts or refuses a verified peer at the handshake.
type Authorizer func(spiffeid.ID) error

// Kinds accepts workloads of these kinds in the trust domain.
func Kinds(td spiffeid.TrustDomain, kinds ...identity.Kind) Authorizer {
	return func(id spiffeid.ID) error {
		if !id.MemberOf(td) {
			return fmt.Errorf("peer %q is not of trust domain %q", id, td)
		}
		w, err := identity.ParseWorkload(id)
		if err != nil {
			return err
		}
		if !slices.Contains(kinds, w.Kind) {
			return fmt.Errorf("peer %q is a %s, expected one of %v", id, w.Kind, kinds)
		}
		return nil
	}
}

// Exactly accepts one SPIFFE ID.
func Exactly(want spiffeid.ID) Authorizer {
	return func(id spiffeid.ID) error {
		if id != want {
			return fmt.Errorf("peer is %q, expected %q", id, want)
		}
		return nil
	}
}

// ServerConfig is for a listener that demands an X509-SVID from its peers.
func ServerConfig(own Identity, authorize Authorizer) *tls.Config {
	c := tlsconfig.MTLSServerConfig(own, own, tlsconfig.AuthorizeOneOf())
	return harden(c, own, authorize)
}

// ClientConfig is for dialing a peer that has an X509-SVID.
func ClientConfig(own Identity, authorize Authorizer) *tls.Config {
	c := tlsconfig.MTLSClientConfig(own, own, tlsconfig.AuthorizeOneOf())
	return harden(c, own, authorize)
}

// harden moves verification to VerifyConnection. A resumed session skips
// VerifyPeerCertificate, which is where go-spiffe verifies: a peer whose SVID
// expired, or whose authority was revoked, could come back on a ticket.
func harden(c *tls.Config, bundles x509bundle.Source, authorize Authorizer) *tls.Config {
	c.MinVersion = tls.VersionTLS13
	c.SessionTicketsDisabled = true
	c.VerifyPeerCertificate = nil
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		// Verify takes the identity from the first certificate, the one whose key
		// signed this handshake; a foreign leaf with a good chain beside it fails.
		id, _, err := x509svid.Verify(cs.PeerCertificates, bundles)
		if err != nil {
			return err
		}
		return authorize(id)
	}
	return c
}

// ErrNoPeer is returned for an RPC that did not arrive over mTLS with an SVID.
var ErrNoPeer = errors.New("no X509-SVID on this connection")

// PeerID is the SPIFFE ID of the peer of an RPC, read from the verified
// certificate of its connection and from nothing else.
func PeerID(ctx context.Context) (spiffeid.ID, error) {
	leaf, err := peerLeaf(ctx)
	if err != nil {
		return spiffeid.ID{}, err
	}
	return x509svid.IDFromCert(leaf)
}

// PeerStatus describes the SVID the peer showed at its handshake.
func PeerStatus(ctx context.Context) (SVIDStatus, error) {
	leaf, err := peerLeaf(ctx)
	if err != nil {
		return SVIDStatus{}, err
	}
	return Describe(leaf), nil
}

func peerLeaf(ctx context.Context) (*x509.Certificate, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, ErrNoPeer
	}
	var state tls.ConnectionState
	switch info := p.AuthInfo.(type) {
	case AuthInfo:
		state = info.State
	case credentials.TLSInfo:
		state = info.State
	}
	if !state.HandshakeComplete || len(state.PeerCertificates) == 0 {
		return nil, ErrNoPeer
	}
	return state.PeerCertificates[0], nil
}
