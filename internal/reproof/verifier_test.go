package reproof_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func TestVerifierAccepts(t *testing.T) {
	t.Parallel()
	b := newBout(t)
	behind, _ := below(t, b.ca, tunnelerID)
	for name, svid := range map[string]*x509svid.SVID{
		"a P-256 key":           b.svid,
		"a P-384 key":           withKey(t, b.ca, tunnelerID, newKey(t, elliptic.P384())),
		"an RSA key":            withKey(t, b.ca, tunnelerID, rsaKey(t, 2048)),
		"an RSA key of 4096":    withKey(t, b.ca, tunnelerID, rsaKey(t, 4096)),
		"an Ed25519 key":        withKey(t, b.ca, tunnelerID, edKey(t)),
		"an intermediate":       behind,
		"the same SVID again":   b.svid,
		"one that ends earlier": b.ca.SVID(t, tunnelerID, mtlstest.Lifetime(time.Minute)),
	} {
		// In turn: it is one connection.
		challenge := b.verifier.Challenge()
		p, err := reproof.Prove(b.binding, challenge, svid)
		require.NoError(t, err, name)
		sent, err := reproof.ParseProof(p.Frame().GetProof())
		require.NoError(t, err, name)
		chain, err := b.verifier.Accept(sent)
		require.NoError(t, err, name)
		require.Equal(t, svid.Certificates[0].Raw, chain[0].Raw, name)
	}
}

func TestTheForgerWouldSucceedIfItWereHonest(t *testing.T) {
	t.Parallel()
	b := newBout(t)
	_, err := b.verifier.Accept(b.forge(t, func(*statement) {}))
	require.NoError(t, err)
}

func TestVerifierRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proof func(*testing.T, *bout) *reproof.Proof
		want  error
	}{
		"a replay on the same connection": {func(t *testing.T, b *bout) *reproof.Proof {
			p := b.prove(t)
			accept(t, b, p)
			return p
		}, reproof.ErrNoChallenge},
		"a replay after a new challenge": {func(t *testing.T, b *bout) *reproof.Proof {
			p := b.prove(t)
			accept(t, b, p)
			b.verifier.Challenge()
			return p
		}, reproof.ErrSignature},
		"two proofs for one challenge": {func(t *testing.T, b *bout) *reproof.Proof {
			accept(t, b, b.prove(t))
			return b.prove(t)
		}, reproof.ErrNoChallenge},
		"a proof before the challenge": {func(t *testing.T, b *bout) *reproof.Proof {
			b.verifier = reproof.NewVerifier(b.binding, b.trust)
			return b.prove(t)
		}, reproof.ErrNoChallenge},
		"a proof from another connection": {func(t *testing.T, b *bout) *reproof.Proof {
			b.binding.Exporter[0] ^= 1
			return b.prove(t)
		}, reproof.ErrSignature},
		"its own proof reflected by a peer of the same SPIFFE ID": {func(t *testing.T, b *bout) *reproof.Proof {
			b.binding.Verifier = b.binding.Prover // a stolen SVID of the server, used as client
			b.verifier = reproof.NewVerifier(b.binding, b.trust)
			mine := b.binding
			mine.Role = reproof.RoleServer
			p, err := reproof.Prove(mine, b.verifier.Challenge(), b.svid)
			require.NoError(t, err)
			return &p
		}, reproof.ErrSignature},
		"swapped roles": {func(t *testing.T, b *bout) *reproof.Proof {
			b.binding.Role = reproof.RoleServer
			return b.prove(t)
		}, reproof.ErrSignature},
		"a proof made for another verifier": {func(t *testing.T, b *bout) *reproof.Proof {
			b.binding.Verifier = spiffeid.RequireFromString("spiffe://mycorp.internal/connector/other")
			return b.prove(t)
		}, reproof.ErrSignature},
		"another SPIFFE ID, signed for the handshake's": {func(t *testing.T, b *bout) *reproof.Proof {
			other := b.ca.SVID(t, "spiffe://mycorp.internal/tunneler/other")
			return signed(t, honest(b.binding, b.challenge, raw(other)), other.PrivateKey)
		}, reproof.ErrIdentity},
		"two SPIFFE IDs": {func(t *testing.T, b *bout) *reproof.Proof {
			both := b.ca.SVID(t, tunnelerID, mtlstest.WithURI(connectorID))
			return signed(t, honest(b.binding, b.challenge, raw(both)), both.PrivateKey)
		}, nil},
		"an expired chain": {func(t *testing.T, b *bout) *reproof.Proof {
			b.svid = b.ca.SVID(t, tunnelerID, mtlstest.Expired())
			return b.prove(t)
		}, nil},
		"a foreign chain": {func(t *testing.T, b *bout) *reproof.Proof {
			b.svid = mtlstest.NewCA(t, td).SVID(t, tunnelerID)
			return b.prove(t)
		}, reproof.ErrNotYet},
		"an authority of another trust domain": {func(t *testing.T, b *bout) *reproof.Proof {
			evil := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("evil.internal"))
			b.trust.Trust(b.ca.Bundle(), evil.Bundle())
			b.svid = evil.SVID(t, tunnelerID)
			return b.prove(t)
		}, reproof.ErrNotYet},
		"an authority certificate as leaf": {func(t *testing.T, b *bout) *reproof.Proof {
			b.svid = b.ca.SVID(t, tunnelerID, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
			return b.prove(t)
		}, nil},
		"the wrong label": {func(t *testing.T, b *bout) *reproof.Proof {
			return b.forge(t, func(s *statement) { s.label = "zerotrust re-proof v2" })
		}, reproof.ErrSignature},
		"no spaces before the label": {func(t *testing.T, b *bout) *reproof.Proof {
			return b.forge(t, func(s *statement) { s.spaces = 0 })
		}, reproof.ErrSignature},
		"another nonce than the signed one": {func(t *testing.T, b *bout) *reproof.Proof {
			p := b.prove(t)
			p.Nonce[31] ^= 1
			return p
		}, reproof.ErrSignature},
		"a certificate appended to the signed chain": {func(t *testing.T, b *bout) *reproof.Proof {
			p := b.prove(t)
			p.Chain = append(p.Chain, b.ca.Authority().Raw)
			return p
		}, reproof.ErrSignature},
		"another certificate than signed, of the same key": {func(t *testing.T, b *bout) *reproof.Proof {
			p := b.prove(t)
			p.Chain = [][]byte{b.ca.Sign(t, &x509.Certificate{URIs: b.svid.Certificates[0].URIs, KeyUsage: x509.KeyUsageDigitalSignature}, b.svid.PrivateKey.Public())}
			return p
		}, reproof.ErrSignature},
		"a signature by the intermediate": {func(t *testing.T, b *bout) *reproof.Proof {
			svid, key := below(t, b.ca, tunnelerID)
			return signed(t, honest(b.binding, b.challenge, raw(svid)), key)
		}, reproof.ErrSignature},
		"a signature by another key": {func(t *testing.T, b *bout) *reproof.Proof {
			return signed(t, honest(b.binding, b.challenge, raw(b.svid)), newKey(t, elliptic.P256()))
		}, reproof.ErrSignature},
		"a signature of zeros": {func(t *testing.T, b *bout) *reproof.Proof {
			p := b.prove(t)
			p.Signature = []byte{0x30, 6, 2, 1, 0, 2, 1, 0}
			return p
		}, reproof.ErrSignature},
		"a truncated signature": {func(t *testing.T, b *bout) *reproof.Proof {
			p := b.prove(t)
			p.Signature = p.Signature[:len(p.Signature)-1]
			return p
		}, reproof.ErrSignature},
		"no signature": {func(t *testing.T, b *bout) *reproof.Proof {
			p := b.prove(t)
			p.Signature = nil
			return p
		}, reproof.ErrSignature},
		"another hash than the key's": {func(t *testing.T, b *bout) *reproof.Proof {
			s := honest(b.binding, b.challenge, raw(b.svid))
			digest := sha512.Sum384(s.bytes())
			signature, err := b.svid.PrivateKey.Sign(rand.Reader, digest[:], crypto.SHA384)
			require.NoError(t, err)
			return &reproof.Proof{Nonce: s.nonce, Chain: s.chain, Signature: signature}
		}, reproof.ErrSignature},
		"an RSA signature that is not PSS": {func(t *testing.T, b *bout) *reproof.Proof {
			key := rsaKey(t, 2048)
			return signed(t, honest(b.binding, b.challenge, raw(withKey(t, b.ca, tunnelerID, key))), key) // Sign makes PKCS #1 v1.5 of a plain hash
		}, reproof.ErrSignature},
		"an RSA key that is too short": {func(t *testing.T, b *bout) *reproof.Proof {
			key := rsaKey(t, 1024)
			s := honest(b.binding, b.challenge, raw(withKey(t, b.ca, tunnelerID, key)))
			digest := sha256.Sum256(s.bytes())
			signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
			require.NoError(t, err)
			return &reproof.Proof{Nonce: s.nonce, Chain: s.chain, Signature: signature}
		}, nil},
		"a P-521 key": {func(t *testing.T, b *bout) *reproof.Proof {
			key := newKey(t, elliptic.P521())
			return signed(t, honest(b.binding, b.challenge, raw(withKey(t, b.ca, tunnelerID, key))), key)
		}, nil},
		"a truncated certificate": {func(t *testing.T, b *bout) *reproof.Proof {
			p := b.prove(t)
			p.Chain[0] = p.Chain[0][:len(p.Chain[0])-1]
			return p
		}, nil},
		"a certificate with something behind it": {func(t *testing.T, b *bout) *reproof.Proof {
			return b.forge(t, func(s *statement) { s.chain[0] = append(slices.Clone(s.chain[0]), 0) })
		}, nil},
		"no certificate": {func(t *testing.T, b *bout) *reproof.Proof { return b.forge(t, func(s *statement) { s.chain = nil }) }, nil},
		"five certificates": {func(t *testing.T, b *bout) *reproof.Proof {
			return b.forge(t, func(s *statement) { s.chain = slices.Repeat(s.chain, 5) })
		}, nil},
		"a chain over 16 KiB": {func(t *testing.T, b *bout) *reproof.Proof {
			b.svid = b.ca.SVID(t, tunnelerID, func(c *x509.Certificate) { c.Subject.CommonName = string(make([]byte, 16<<10)) })
			return b.forge(t, func(*statement) {})
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBout(t)
			p := c.proof(t, b)
			chain, err := b.verifier.Accept(p)
			require.Error(t, err)
			require.Nil(t, chain)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			if c.want != reproof.ErrNotYet { //nolint:errorlint // the table's own value
				require.NotErrorIs(t, err, reproof.ErrNotYet, "this never becomes good")
				require.False(t, b.verifier.Holds())
			}
		})
	}
}

func accept(t *testing.T, b *bout, p *reproof.Proof) {
	t.Helper()
	_, err := b.verifier.Accept(p)
	require.NoError(t, err)
}

func TestParseProofRefuses(t *testing.T) {
	t.Parallel()
	good := newBout(t)
	for name, spoil := range map[string]func(*zerotrustv1.ReproofProof){
		"a nonce of 31 bytes":        func(p *zerotrustv1.ReproofProof) { p.Nonce = p.GetNonce()[:31] },
		"a nonce of 33 bytes":        func(p *zerotrustv1.ReproofProof) { p.Nonce = append(p.GetNonce(), 0) },
		"no nonce":                   func(p *zerotrustv1.ReproofProof) { p.Nonce = nil },
		"a signature over 512 bytes": func(p *zerotrustv1.ReproofProof) { p.Signature = make([]byte, 513) },
		"a chain over 16 KiB":        func(p *zerotrustv1.ReproofProof) { p.Chain[0] = make([]byte, 16<<10+1) },
		"five certificates":          func(p *zerotrustv1.ReproofProof) { p.Chain = make([][]byte, 5) },
		"a million of nothing":       func(p *zerotrustv1.ReproofProof) { p.Chain = make([][]byte, 1<<20) },
		"no certificate":             func(p *zerotrustv1.ReproofProof) { p.Chain = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := good.prove(t).Frame().GetProof()
			spoil(p)
			_, err := reproof.ParseProof(p)
			require.ErrorIs(t, err, reproof.ErrMalformed)
		})
	}
	_, err := reproof.ParseProof(nil)
	require.ErrorIs(t, err, reproof.ErrMalformed)
}

func TestVerifierKeepsAProof(t *testing.T) {
	t.Parallel()
	t.Run("until its authority arrives", func(t *testing.T) {
		t.Parallel()
		b := newBout(t)
		next := mtlstest.NewCA(t, td)
		b.svid = next.SVID(t, tunnelerID)
		_, err := b.verifier.Accept(b.prove(t))
		require.ErrorIs(t, err, reproof.ErrNotYet)
		_, err = b.verifier.Retry()
		require.ErrorIs(t, err, reproof.ErrNotYet)
		b.trust.Trust(x509bundle.FromX509Authorities(td, []*x509.Certificate{b.ca.Authority(), next.Authority()}))
		chain, err := b.verifier.Retry()
		require.NoError(t, err)
		require.Equal(t, b.svid.Certificates[0].Raw, chain[0].Raw)
		_, err = b.verifier.Retry()
		require.ErrorIs(t, err, reproof.ErrNoChallenge, "it counted once")
	})
	t.Run("until its validity begins by our clock", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBout(t)
			b.svid = b.ca.SVID(t, tunnelerID, mtlstest.Since(time.Now().Add(20*time.Second)))
			_, err := b.verifier.Accept(b.prove(t))
			require.ErrorIs(t, err, reproof.ErrNotYet)
			<-time.After(20 * time.Second)
			_, err = b.verifier.Retry()
			require.NoError(t, err)
		})
	})
	t.Run("and judges the whole of it again", func(t *testing.T) {
		t.Parallel()
		b := newBout(t)
		next := mtlstest.NewCA(t, td)
		b.svid = next.SVID(t, tunnelerID)
		_, err := b.verifier.Accept(b.forge(t, func(s *statement) { s.exporter[0] ^= 1 }))
		require.ErrorIs(t, err, reproof.ErrNotYet)
		b.trust.Trust(next.Bundle())
		_, err = b.verifier.Retry()
		require.ErrorIs(t, err, reproof.ErrSignature)
		require.False(t, b.verifier.Holds())
	})
	t.Run("until a newer one takes its place", func(t *testing.T) {
		t.Parallel()
		b := newBout(t)
		good := b.svid
		b.svid = mtlstest.NewCA(t, td).SVID(t, tunnelerID)
		_, err := b.verifier.Accept(b.prove(t))
		require.ErrorIs(t, err, reproof.ErrNotYet)
		b.svid, b.challenge = good, b.verifier.Challenge()
		accept(t, b, b.prove(t))
		require.False(t, b.verifier.Holds())
	})
}

func TestProveNeverSpeaksForAnotherID(t *testing.T) {
	t.Parallel()
	b := newBout(t)
	_, err := reproof.Prove(b.binding, b.challenge, b.ca.SVID(t, connectorID))
	require.Error(t, err)
}
