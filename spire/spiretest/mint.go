package spiretest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net/url"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	svidv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/svid/v1"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Minter has a real spire-server sign SVIDs without agents, for tests that need
// more peers than a machine has room for agents.
type Minter struct {
	client svidv1.SVIDClient
}

// NewMinter talks to the server's admin socket.
func NewMinter(tb testing.TB, socket string) *Minter {
	tb.Helper()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	return &Minter{client: svidv1.NewSVIDClient(conn)}
}

// Mint returns an SVID with a key of its own, as one for a member on this host.
func (m *Minter) Mint(ctx context.Context, tb testing.TB, id spiffeid.ID, host identity.HostID, ttl time.Duration) *x509svid.SVID {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{id.URL()}, DNSNames: []string{host.SVIDName()}}, key)
	require.NoError(tb, err)
	resp, err := m.client.MintX509SVID(ctx, &svidv1.MintX509SVIDRequest{Csr: csr, Ttl: int32(ttl.Seconds())})
	require.NoError(tb, err)
	svid := &x509svid.SVID{ID: id, PrivateKey: key}
	for _, der := range resp.GetSvid().GetCertChain() {
		cert, err := x509.ParseCertificate(der)
		require.NoError(tb, err)
		svid.Certificates = append(svid.Certificates, cert)
	}
	return svid
}
