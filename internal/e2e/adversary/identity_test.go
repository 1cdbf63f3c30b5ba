package adversary_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/peer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

// shake runs a handshake over memory. The errors of both ends are in err.
func shake(t *testing.T, client, server mtls.Identity) (far mtls.AuthInfo, err error) {
	t.Helper()
	a, b := net.Pipe()
	for _, end := range []net.Conn{a, b} {
		require.NoError(t, end.SetDeadline(time.Now().Add(soon)))
	}
	dialed, read := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(read)
		conn, _, err := mtls.ClientCredentials(mtls.ClientConfig(client, anyKind)).ClientHandshake(context.WithoutCancel(t.Context()), "peer", a)
		dialed <- err
		if err == nil {
			_, _ = io.Copy(io.Discard, conn) // in TLS 1.3 a refusal comes after the client's handshake
		}
	}()
	_, info, served := mtls.ServerCredentials(mtls.ServerConfig(server, anyKind)).ServerHandshake(b)
	err = errors.Join(<-dialed, served)
	_, _ = a.Close(), b.Close()
	<-read
	far, _ = info.(mtls.AuthInfo)
	return far, err
}

// beside shows more certificates after those of svid.
func beside(svid *x509svid.SVID, more ...*x509.Certificate) *x509svid.SVID {
	out := *svid
	out.Certificates = append(append([]*x509.Certificate(nil), svid.Certificates...), more...)
	return &out
}

// OpenZiti GHSA-mrpr-756c-xm47 (critical): it read the identity from the leaf and
// was content when any certificate that the peer presented chained to its CA. The
// certificate of somebody else, which is public, then opened every identity.
func TestALeafThatDoesNotChainIsNobody(t *testing.T) {
	t.Parallel()
	ca, foreign := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
	good := ca.Identity(ca.SVID(t, connectorID))
	seen := ca.SVID(t, tunnelerID).Certificates[0] // on the wire, say
	thief := ca.Identity(beside(foreign.SVID(t, victimID), seen))

	_, err := shake(t, ca.Identity(ca.SVID(t, tunnelerID)), good)
	require.NoError(t, err)
	_, err = shake(t, thief, good)
	require.Error(t, err, "at a listener")
	_, err = shake(t, good, thief)
	require.Error(t, err, "at a dialer")
}

// OpenZiti 2.1.0 changelog: the chain was checked where the leaf was meant. A peer
// that shows a certificate of its victim behind its own must not become the victim.
func TestTheLeafAloneSaysWhoAPeerIs(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	victim := ca.SVID(t, victimID).Certificates[0]
	far, err := shake(t, ca.Identity(beside(ca.SVID(t, tunnelerID), victim)), ca.Identity(ca.SVID(t, connectorID)))
	require.NoError(t, err)
	require.Equal(t, tunnelerID, far.Conn.Peer().String())
	id, err := mtls.PeerID(peer.NewContext(t.Context(), &peer.Peer{AuthInfo: far}))
	require.NoError(t, err)
	require.Equal(t, tunnelerID, id.String())
}

// The same mistake inside a connection: an intermediate signs for every identity
// below it, so a proof by its key would let its holder go on as any of them.
func TestAnIntermediateCannotProveForALeaf(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	upper := ca.Certificate(t, &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign, URIs: []*url.URL{td.ID().URL()}})
	inter, ok := upper.PrivateKey.(crypto.Signer)
	require.True(t, ok)
	leaf := ca.SVID(t, tunnelerID)
	now := ca.Identity(leaf)
	b := reproof.Binding{Role: reproof.RoleClient, Prover: leaf.ID, Verifier: spiffeid.RequireFromString(connectorID)}

	challenge := reproof.Nonce{1}
	honest, err := reproof.Prove(b, challenge, beside(leaf, upper.Leaf))
	require.NoError(t, err)
	_, err = reproof.Verify(b, challenge, &honest, now)
	require.NoError(t, err)

	forged := beside(leaf, upper.Leaf)
	forged.PrivateKey = inter
	p, err := reproof.Prove(b, challenge, forged)
	require.NoError(t, err)
	_, err = reproof.Verify(b, challenge, &p, now)
	require.ErrorIs(t, err, reproof.ErrSignature)
}
