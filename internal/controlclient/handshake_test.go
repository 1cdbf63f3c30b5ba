package controlclient_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// TestAProbeIsATLSHandshakeWithTheRightPeer: what merely accepts connections, and a
// peer that is not trusted, is no reason to hope. Our certificate is shown, or the
// probe would count against the peer's limit for the unauthenticated.
func TestAProbeIsATLSHandshakeWithTheRightPeer(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("mycorp.internal"))
	anchors := x509.NewCertPool()
	anchors.AddCert(ca.Authority())
	own := ca.Certificate(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	probe := controlclient.Handshake(&tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: anchors, ServerName: "peer.internal", Certificates: []tls.Certificate{own},
	}, nil)
	named := func(name string, by *mtlstest.CA) tls.Certificate {
		return by.Certificate(t, &x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	}
	for name, c := range map[string]struct {
		cert *tls.Certificate // nil accepts connections and hangs up
		good bool
	}{
		"the right peer":                   {new(named("peer.internal", ca)), true},
		"another peer":                     {new(named("other.internal", ca)), false},
		"a peer of another authority":      {new(named("peer.internal", mtlstest.NewCA(t, ca.TrustDomain()))), false},
		"a port that accepts and hangs up": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, shown := peerAt(t, c.cert)
			err := probe(t.Context(), addr)
			if !c.good {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, 1, <-shown, "certificates that the peer saw")
		})
	}
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		require.Error(t, probe(t.Context(), "127.0.0.1:1"))
	})
}

// peerAt serves one connection, and tells how many certificates it was shown.
func peerAt(t *testing.T, cert *tls.Certificate) (addr string, shown <-chan int) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	seen := make(chan int, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		socket, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = socket.Close() }()
		if cert == nil {
			return
		}
		_ = socket.SetDeadline(time.Now().Add(10 * time.Second))
		conn := tls.Server(socket, &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"h2"},
		})
		_ = conn.HandshakeContext(t.Context())
		seen <- len(conn.ConnectionState().PeerCertificates)
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), seen
}
