package reproof_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

const label = "zerotrust re-proof v1"

// statement is what is signed, written a second time from docs/reproof.md: the
// forger of these tests can say anything with it.
type statement struct {
	spaces           int
	label            string
	role             byte
	prover, verifier string
	nonce, challenge reproof.Nonce
	exporter         [32]byte
	chain            [][]byte
}

func (s statement) bytes() []byte {
	var out []byte
	lp := func(n int, b []byte) {
		out = append(out, binary.BigEndian.AppendUint32(nil, uint32(len(b)))[4-n:]...)
		out = append(out, b...)
	}
	out = append(out, strings.Repeat("\x20", s.spaces)+s.label+"\x00"...)
	out = append(out, s.role)
	lp(2, []byte(s.prover))
	lp(2, []byte(s.verifier))
	out = slices.Concat(out, s.nonce[:], s.challenge[:], s.exporter[:])
	before := out
	out = nil
	for _, der := range s.chain {
		lp(4, der)
	}
	sum := sha256.Sum256(out)
	return append(before, sum[:]...)
}

// honest is the statement that a good prover would sign.
func honest(b reproof.Binding, challenge reproof.Nonce, chain [][]byte) statement {
	return statement{
		spaces: 64, label: label, role: byte(b.Role), prover: b.Prover.String(), verifier: b.Verifier.String(),
		nonce: reproof.Nonce{7}, challenge: challenge, exporter: b.Exporter, chain: chain,
	}
}

// signed makes the proof for a statement, by any key.
func signed(t testing.TB, s statement, key crypto.Signer) *reproof.Proof {
	t.Helper()
	digest := sha256.Sum256(s.bytes())
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	return &reproof.Proof{Nonce: s.nonce, Chain: s.chain, Signature: signature}
}

// bout is a verifier, and what a forger in its peer's place knows.
type bout struct {
	ca        *mtlstest.CA
	trust     *mtlstest.Identity
	svid      *x509svid.SVID // the peer's, good
	binding   reproof.Binding
	verifier  *reproof.Verifier
	challenge reproof.Nonce
}

func newBout(t testing.TB) *bout {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	b := &bout{ca: ca, svid: ca.SVID(t, tunnelerID), trust: ca.Identity(ca.SVID(t, connectorID))}
	b.binding = reproof.Binding{
		Role: reproof.RoleClient, Exporter: [32]byte{1, 2, 3},
		Prover: spiffeid.RequireFromString(tunnelerID), Verifier: spiffeid.RequireFromString(connectorID),
	}
	b.verifier = reproof.NewVerifier(b.binding, b.trust)
	b.challenge = b.verifier.Challenge()
	return b
}

// prove is a good proof.
func (b *bout) prove(t testing.TB) *reproof.Proof {
	t.Helper()
	p, err := reproof.Prove(b.binding, b.challenge, b.svid)
	require.NoError(t, err)
	return &p
}

// forge signs what change makes of the honest statement, with the good key.
func (b *bout) forge(t testing.TB, change func(*statement)) *reproof.Proof {
	t.Helper()
	s := honest(b.binding, b.challenge, raw(b.svid))
	change(&s)
	return signed(t, s, b.svid.PrivateKey)
}

func raw(svid *x509svid.SVID) (out [][]byte) {
	for _, c := range svid.Certificates {
		out = append(out, c.Raw)
	}
	return out
}

// below makes an intermediate authority and an SVID that it issued.
func below(t testing.TB, ca *mtlstest.CA, id string) (svid *x509svid.SVID, intermediate crypto.Signer) {
	t.Helper()
	middle := ca.Certificate(t, &x509.Certificate{
		IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, URIs: []*url.URL{td.ID().URL()}, MaxPathLenZero: true,
	})
	key := newKey(t, elliptic.P256())
	tmpl := *ca.SVID(t, id).Certificates[0]
	der, err := x509.CreateCertificate(rand.Reader, &tmpl, middle.Leaf, key.Public(), middle.PrivateKey)
	require.NoError(t, err)
	intermediate, ok := middle.PrivateKey.(crypto.Signer)
	require.True(t, ok)
	return &x509svid.SVID{ID: spiffeid.RequireFromString(id), Certificates: []*x509.Certificate{parse(t, der), middle.Leaf}, PrivateKey: key}, intermediate
}

// withKey is an SVID for a key of any kind.
func withKey(t testing.TB, ca *mtlstest.CA, id string, key crypto.Signer) *x509svid.SVID {
	t.Helper()
	der := ca.Sign(t, &x509.Certificate{
		URIs: []*url.URL{spiffeid.RequireFromString(id).URL()}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, key.Public())
	return &x509svid.SVID{ID: spiffeid.RequireFromString(id), Certificates: []*x509.Certificate{parse(t, der)}, PrivateKey: key}
}

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}
