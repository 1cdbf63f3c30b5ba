package mtls_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// link is an open connection and what each side thinks of the other.
type link struct {
	client, server *tls.Conn
}

// ping sends one byte each way, so that both sides have seen the other's verdict.
func (l link) ping() error {
	echoed := make(chan error, 1)
	go func() {
		b := make([]byte, 1)
		if _, err := l.server.Read(b); err != nil {
			echoed <- err
			return
		}
		_, err := l.server.Write(b)
		echoed <- err
	}()
	_, werr := l.client.Write([]byte{1})
	_, rerr := l.client.Read(make([]byte, 1))
	if werr != nil || rerr != nil {
		_ = l.server.Close()
	}
	return errors.Join(werr, rerr, <-echoed)
}

// connect runs a handshake over loopback TCP, and a ping: with TLS 1.3 a client
// has finished its handshake before the server has judged it.
func connect(t *testing.T, server, client *tls.Config) (link, error) {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = lis.Close() }()
	near, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", lis.Addr().String())
	require.NoError(t, err)
	far, err := lis.Accept()
	require.NoError(t, err)
	deadline := time.Now().Add(20 * time.Second)
	require.NoError(t, near.SetDeadline(deadline))
	require.NoError(t, far.SetDeadline(deadline))
	l := link{client: tls.Client(near, client), server: tls.Server(far, server)}
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })

	served := make(chan error, 1)
	go func() {
		err := l.server.HandshakeContext(context.WithoutCancel(t.Context()))
		if err != nil {
			_ = far.Close()
		}
		served <- err
	}()
	clientErr := l.client.HandshakeContext(t.Context())
	if clientErr != nil {
		_ = near.Close()
	}
	if err := errors.Join(clientErr, <-served); err != nil {
		return l, err
	}
	return l, l.ping()
}

// presents is a peer that verifies nothing and shows exactly this chain, whatever
// it is asked for.
func presents(chain *tls.Certificate) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, ServerName: "x", ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	if chain == nil {
		return c
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return chain, nil }
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return chain, nil }
	return c
}

func chainOf(svid *x509svid.SVID, beside ...*x509.Certificate) *tls.Certificate {
	out := &tls.Certificate{PrivateKey: svid.PrivateKey}
	for _, c := range append(svid.Certificates, beside...) {
		out.Certificate = append(out.Certificate, c.Raw)
	}
	return out
}

func selfSigned(t *testing.T, id string) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{spiffeid.RequireFromString(id).URL()}, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}

// badPeers are chains that must never pass for a connector of mycorp.internal.
func badPeers(t *testing.T, ca *mtlstest.CA) map[string]*tls.Certificate {
	t.Helper()
	other := mtlstest.NewCA(t, td) // the same name, another key
	foreignTD := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("evil.internal"))
	good := ca.SVID(t, connectorID)
	stranger := other.SVID(t, connectorID)
	caLeaf := ca.SVID(t, connectorID, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	})
	signer := ca.SVID(t, connectorID, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign })
	self, selfKey := selfSigned(t, connectorID)
	leafOfLeaf, leafKey := signedByLeaf(t, good)

	return map[string]*tls.Certificate{
		"no certificate":                               nil,
		"a certificate of another CA":                  chainOf(stranger),
		"a certificate of another trust domain":        chainOf(foreignTD.SVID(t, "spiffe://evil.internal/connector/local-01")),
		"another trust domain's CA using our name":     chainOf(foreignTD.SVID(t, connectorID)),
		"our CA signing for another trust domain":      chainOf(ca.SVID(t, "spiffe://evil.internal/connector/local-01")),
		"the wrong kind":                               chainOf(ca.SVID(t, tunnelerID)),
		"the SVID of a SPIRE agent":                    chainOf(ca.SVID(t, "spiffe://mycorp.internal/spire/agent/x509pop/0123456789abcdef0123456789abcdef")),
		"an id with one more segment":                  chainOf(ca.SVID(t, connectorID+"/more")),
		"an expired SVID":                              chainOf(ca.SVID(t, connectorID, mtlstest.Expired())),
		"an SVID that is not valid yet":                chainOf(ca.SVID(t, connectorID, mtlstest.Since(time.Now().Add(30*time.Minute)))),
		"a CA certificate as leaf":                     chainOf(caLeaf),
		"a leaf that may sign CRLs":                    chainOf(signer),
		"the identity in CN and DNS SAN only":          chainOf(ca.SVID(t, connectorID, mtlstest.NameOnly())),
		"the identity in a DNS SAN only":               chainOf(ca.SVID(t, connectorID, dnsOnly)),
		"two URI SANs":                                 chainOf(ca.SVID(t, connectorID, mtlstest.WithURI(tunnelerID))),
		"the wrong kind first and the right one after": chainOf(ca.SVID(t, tunnelerID, mtlstest.WithURI(connectorID))),
		// OpenZiti GHSA-mrpr-756c-xm47: any presented certificate that chained was enough.
		"a foreign leaf with a good SVID beside it":         chainOf(stranger, good.Certificates...),
		"a self-signed leaf with a good SVID beside it":     {Certificate: [][]byte{self.Raw, good.Certificates[0].Raw}, PrivateKey: selfKey},
		"a wrong kind's leaf with a right one beside it":    chainOf(ca.SVID(t, tunnelerID), good.Certificates...),
		"a foreign leaf with our CA's certificate beside":   chainOf(stranger, ca.Authority()),
		"a self-signed certificate":                         {Certificate: [][]byte{self.Raw}, PrivateKey: selfKey},
		"a leaf signed by another workload's SVID":          {Certificate: [][]byte{leafOfLeaf.Raw, good.Certificates[0].Raw}, PrivateKey: leafKey},
		"a good leaf whose key it does not hold":            {Certificate: [][]byte{good.Certificates[0].Raw}, PrivateKey: stranger.PrivateKey},
		"a good leaf of another key behind its own":         {Certificate: [][]byte{good.Certificates[0].Raw, stranger.Certificates[0].Raw}, PrivateKey: stranger.PrivateKey},
		"a URI that is no SPIFFE ID":                        chainOf(ca.SVID(t, connectorID, withURI(t, "https://mycorp.internal/connector/local-01"))),
		"a SPIFFE ID with a query":                          chainOf(ca.SVID(t, connectorID, withURI(t, connectorID+"?admin=1"))),
		"a SPIFFE ID in upper case":                         chainOf(ca.SVID(t, connectorID, withURI(t, "spiffe://mycorp.internal/Connector/local-01"))),
		"the trust domain itself":                           chainOf(ca.SVID(t, connectorID, withURI(t, "spiffe://mycorp.internal"))),
		"an id that only begins like the trust domain's":    chainOf(ca.SVID(t, "spiffe://mycorp.internal.evil.com/connector/local-01")),
		"an x509pop host URI, the bootstrap CA's own shape": chainOf(ca.SVID(t, connectorID, withURI(t, "x509pop://mycorp.internal/host/0123456789abcdef0123456789abcdef"))),
	}
}

func dnsOnly(c *x509.Certificate) {
	c.DNSNames, c.URIs = []string{"mycorp.internal", "local-01"}, nil
}

func withURI(t *testing.T, raw string) mtlstest.Option {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return func(c *x509.Certificate) { c.URIs = []*url.URL{u} }
}

// signedByLeaf lets a workload play CA with its own key.
func signedByLeaf(t *testing.T, parent *x509svid.SVID) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{parent.ID.URL()}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, parent.Certificates[0], key.Public(), parent.PrivateKey)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	own := ca.Identity(ca.SVID(t, controllerID))
	connectors := mtls.Kinds(td, identity.KindConnector)

	t.Run("a listener accepts the kind it wants", func(t *testing.T) {
		t.Parallel()
		peer := ca.Identity(ca.SVID(t, connectorID))
		l, err := connect(t, mtls.ServerConfig(own, connectors), mtls.ClientConfig(peer, mtls.Exactly(spiffeid.RequireFromString(controllerID))))
		require.NoError(t, err)
		require.Equal(t, uint16(tls.VersionTLS13), l.server.ConnectionState().Version)
	})
	for name, chain := range badPeers(t, ca) {
		t.Run("a listener refuses "+name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, mtls.ServerConfig(own, connectors), presents(chain))
			require.Error(t, err)
		})
		if chain == nil {
			continue // a listener without a certificate cannot answer at all
		}
		t.Run("a dialer refuses "+name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, presents(chain), mtls.ClientConfig(own, connectors))
			require.Error(t, err)
		})
	}
	t.Run("a dialer that wants one id refuses another of the same kind", func(t *testing.T) {
		t.Parallel()
		want := mtls.Exactly(spiffeid.RequireFromString("spiffe://mycorp.internal/connector/local-02"))
		_, err := connect(t, presents(chainOf(ca.SVID(t, connectorID))), mtls.ClientConfig(own, want))
		require.ErrorContains(t, err, "expected")
	})
	t.Run("a listener without an SVID refuses everybody", func(t *testing.T) {
		t.Parallel()
		_, err := connect(t, mtls.ServerConfig(ca.Identity(nil), connectors), presents(chainOf(ca.SVID(t, connectorID))))
		require.ErrorIs(t, err, mtls.ErrNoSVID)
	})
	t.Run("a trust domain federated in the bundle is still not ours", func(t *testing.T) {
		t.Parallel()
		friend := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("friend.internal"))
		both := ca.Identity(ca.SVID(t, controllerID))
		both.Trust(ca.Bundle(), friend.Bundle())
		_, err := connect(t, mtls.ServerConfig(both, connectors), presents(chainOf(friend.SVID(t, "spiffe://friend.internal/connector/local-01"))))
		require.ErrorContains(t, err, "not of trust domain")
	})
}

func TestOnlyTLS13(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	own := ca.Identity(ca.SVID(t, controllerID))
	old := presents(chainOf(ca.SVID(t, connectorID)))
	old.MaxVersion = tls.VersionTLS12
	connectors := mtls.Kinds(td, identity.KindConnector)

	_, err := connect(t, mtls.ServerConfig(own, connectors), old)
	require.ErrorContains(t, err, "version")
	_, err = connect(t, old, mtls.ClientConfig(own, connectors))
	require.ErrorContains(t, err, "version")
}

// TestNoSessionIsResumed: a resumed session skips VerifyPeerCertificate, where
// go-spiffe verifies, so a ticket would outlive the SVID it was given for.
func TestNoSessionIsResumed(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	own, peer := ca.Identity(ca.SVID(t, controllerID)), ca.Identity(ca.SVID(t, connectorID))

	t.Run("a client with a session cache does a full handshake each time", func(t *testing.T) {
		t.Parallel()
		var judged atomic.Int32
		server := mtls.ServerConfig(own, func(spiffeid.ID) error { judged.Add(1); return nil })
		client := mtls.ClientConfig(peer, mtls.Kinds(td, identity.KindController))
		client.SessionTicketsDisabled, client.ServerName, client.ClientSessionCache = false, "controller", tls.NewLRUClientSessionCache(8)
		for range 2 {
			l, err := connect(t, server, client)
			require.NoError(t, err)
			require.False(t, l.client.ConnectionState().DidResume)
			require.False(t, l.server.ConnectionState().DidResume)
		}
		require.EqualValues(t, 2, judged.Load())
	})
	t.Run("and where tickets were on, the peer is judged again all the same", func(t *testing.T) {
		t.Parallel()
		trust := ca.Identity(ca.SVID(t, controllerID))
		var judged atomic.Int32
		server := mtls.ServerConfig(trust, func(spiffeid.ID) error { judged.Add(1); return nil })
		server.SessionTicketsDisabled = false
		client := mtls.ClientConfig(peer, mtls.Kinds(td, identity.KindController))
		client.SessionTicketsDisabled, client.ServerName, client.ClientSessionCache = false, "controller", tls.NewLRUClientSessionCache(8)
		for i := range 2 {
			l, err := connect(t, server, client)
			require.NoError(t, err)
			require.Equal(t, i > 0, l.server.ConnectionState().DidResume)
		}
		require.EqualValues(t, 2, judged.Load(), "VerifyConnection runs for a resumed session too")
		trust.Trust(mtlstest.NewCA(t, td).Bundle()) // the peer's authority is revoked
		_, err := connect(t, server, client)
		require.Error(t, err)
	})
}

func TestHotSwap(t *testing.T) {
	t.Parallel()
	before, after := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
	own := before.Identity(before.SVID(t, controllerID))
	connectors := mtls.Kinds(td, identity.KindConnector)
	server := mtls.ServerConfig(own, connectors) // made once, used by every handshake
	dialer := mtls.ClientConfig(own, connectors)

	oldPeer, newPeer := presents(chainOf(before.SVID(t, connectorID))), presents(chainOf(after.SVID(t, connectorID)))
	open, err := connect(t, server, oldPeer)
	require.NoError(t, err)
	_, err = connect(t, server, newPeer)
	require.Error(t, err, "not trusted yet")

	rotated := after.SVID(t, controllerID)
	own.Swap(rotated)
	own.Trust(after.Bundle())

	fresh, err := connect(t, server, newPeer)
	require.NoError(t, err)
	require.Equal(t, rotated.Certificates[0].Raw, fresh.client.ConnectionState().PeerCertificates[0].Raw)
	fresh, err = connect(t, newPeer, dialer)
	require.NoError(t, err)
	require.Equal(t, rotated.Certificates[0].Raw, fresh.server.ConnectionState().PeerCertificates[0].Raw)
	_, err = connect(t, server, oldPeer)
	require.Error(t, err, "the old authority is gone")
	_, err = connect(t, oldPeer, dialer)
	require.Error(t, err, "the old authority is gone")
	require.NoError(t, open.ping(), "an open connection is left alone")
}

func TestPeerID(t *testing.T) {
	t.Parallel()
	leaf := mtlstest.NewCA(t, td).SVID(t, connectorID).Certificates[0]
	state := tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{leaf}}
	with := func(p *peer.Peer) context.Context { return peer.NewContext(t.Context(), p) }

	id, err := mtls.PeerID(with(&peer.Peer{AuthInfo: credentials.TLSInfo{State: state}}))
	require.NoError(t, err)
	require.Equal(t, connectorID, id.String())
	st, err := mtls.PeerStatus(with(&peer.Peer{AuthInfo: credentials.TLSInfo{State: state}}))
	require.NoError(t, err)
	require.Equal(t, mtls.Describe(leaf), st)

	unfinished := state
	unfinished.HandshakeComplete = false
	for name, ctx := range map[string]context.Context{
		"no peer at all":                  t.Context(),
		"a connection without TLS":        with(&peer.Peer{}),
		"TLS without a certificate":       with(&peer.Peer{AuthInfo: credentials.TLSInfo{State: tls.ConnectionState{HandshakeComplete: true}}}),
		"a handshake that did not finish": with(&peer.Peer{AuthInfo: credentials.TLSInfo{State: unfinished}}),
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			_, err := mtls.PeerID(ctx)
			require.ErrorIs(t, err, mtls.ErrNoPeer)
			_, err = mtls.PeerStatus(ctx)
			require.ErrorIs(t, err, mtls.ErrNoPeer)
		})
	}
}
