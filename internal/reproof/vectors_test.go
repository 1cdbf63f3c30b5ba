package reproof_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var update = flag.Bool("update", false, "make new test vectors")

const (
	vectorFile = "testdata/vectors.json"
	specFile   = "../../docs/reproof.md"
)

// vector is one proof; everything binary is hexadecimal.
type vector struct {
	Name        string   `json:"name"`
	Valid       bool     `json:"valid"`
	Role        string   `json:"role"` // of the prover
	Prover      string   `json:"prover"`
	Verifier    string   `json:"verifier"`
	ProverNonce string   `json:"prover_nonce"`
	Challenge   string   `json:"challenge"`
	Exporter    string   `json:"exporter"`
	Authority   string   `json:"authority"`             // DER
	Chain       []string `json:"chain"`                 // DER, leaf first
	PrivateKey  string   `json:"private_key,omitempty"` // of the leaf, PKCS #8
	SignedBytes string   `json:"signed_bytes"`
	Signature   string   `json:"signature"`
	Frame       string   `json:"frame"` // zerotrust.v1.ReproofFrame
}

func TestVectors(t *testing.T) {
	t.Parallel()
	if *update {
		writeVectors(t)
	}
	all := readVectors(t)
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			checkVector(t, v)
		})
	}
	t.Run("the specification shows the first one", func(t *testing.T) {
		t.Parallel()
		spec, err := os.ReadFile(specFile)
		require.NoError(t, err)
		require.Contains(t, string(spec), hex.Dump(unhex(t, all[0].SignedBytes)), "put this into docs/reproof.md")
	})
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	blob, err := os.ReadFile(vectorFile)
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(blob, &all))
	require.NotEmpty(t, all)
	return all
}

func checkVector(t *testing.T, v vector) {
	t.Helper()
	var frame zerotrustv1.ReproofFrame
	require.NoError(t, proto.Unmarshal(unhex(t, v.Frame), &frame))
	p, err := reproof.ParseProof(frame.GetProof())
	require.NoError(t, err)
	require.Equal(t, v.ProverNonce, hex.EncodeToString(p.Nonce[:]))
	require.Equal(t, v.Signature, hex.EncodeToString(p.Signature))

	b, challenge := v.binding(t), reproof.Nonce(unhex(t, v.Challenge))
	s := honest(b, challenge, p.Chain)
	s.nonce = p.Nonce
	require.Equal(t, v.SignedBytes, hex.EncodeToString(s.bytes()))
	authority := parse(t, unhex(t, v.Authority))
	chain, err := reproof.Verify(b, challenge, p, x509bundle.FromX509Authorities(td, []*x509.Certificate{authority}))
	if !v.Valid {
		require.ErrorIs(t, err, reproof.ErrSignature)
		return
	}
	require.NoError(t, err)
	require.Equal(t, v.Chain[0], hex.EncodeToString(chain[0].Raw))
}

func (v vector) binding(t testing.TB) reproof.Binding {
	t.Helper()
	return reproof.Binding{
		Role:   map[string]reproof.Role{"client": reproof.RoleClient, "server": reproof.RoleServer}[v.Role],
		Prover: spiffeid.RequireFromString(v.Prover), Verifier: spiffeid.RequireFromString(v.Verifier),
		Exporter: [32]byte(unhex(t, v.Exporter)),
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	out, err := hex.DecodeString(s)
	require.NoError(t, err)
	return out
}

// writeVectors makes them with new keys; their certificates are valid until 2120.
func writeVectors(t *testing.T) {
	t.Helper()
	root := newKey(t, elliptic.P256())
	rootCert := issue(t, authorityTemplate(), nil, root, root)
	middle := newKey(t, elliptic.P384())
	middleCert := issue(t, authorityTemplate(), rootCert, middle, root)

	var all []vector
	for _, c := range []struct {
		name   string
		key    crypto.Signer
		role   reproof.Role
		middle bool
		valid  bool
	}{
		{"ecdsa p-256, client", newKey(t, elliptic.P256()), reproof.RoleClient, false, true},
		{"ecdsa p-256, server, behind an intermediate", newKey(t, elliptic.P256()), reproof.RoleServer, true, true},
		{"ecdsa p-384, client", newKey(t, elliptic.P384()), reproof.RoleClient, false, true},
		{"rsa-pss 2048, server", rsaKey(t, 2048), reproof.RoleServer, false, true},
		{"ed25519, client", edKey(t), reproof.RoleClient, false, true},
		{"signed for another exporter value", newKey(t, elliptic.P256()), reproof.RoleClient, false, false},
	} {
		b := reproof.Binding{Role: c.role, Prover: spiffeid.RequireFromString(tunnelerID), Verifier: spiffeid.RequireFromString(connectorID)}
		if c.role == reproof.RoleServer {
			b.Prover, b.Verifier = b.Verifier, b.Prover
		}
		for i := range b.Exporter {
			b.Exporter[i] = byte(0xe0 + i)
		}
		var chain [][]byte
		leaf := &x509.Certificate{URIs: []*url.URL{b.Prover.URL()}, KeyUsage: x509.KeyUsageDigitalSignature}
		if c.middle {
			chain = [][]byte{issue(t, leaf, middleCert, c.key, middle).Raw, middleCert.Raw}
		} else {
			chain = [][]byte{issue(t, leaf, rootCert, c.key, root).Raw}
		}
		all = append(all, makeVector(t, c.name, b, chain, c.key, c.valid, rootCert))
	}
	blob, err := json.MarshalIndent(all, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(vectorFile), 0o755))
	require.NoError(t, os.WriteFile(vectorFile, append(blob, '\n'), 0o644))
}

func makeVector(t *testing.T, name string, b reproof.Binding, chain [][]byte, key crypto.Signer, valid bool, root *x509.Certificate) vector {
	t.Helper()
	var challenge, nonce reproof.Nonce
	for i := range challenge {
		nonce[i], challenge[i] = byte(0xa0+i), byte(0xc0+i)
	}
	s := honest(b, challenge, chain)
	s.nonce = nonce
	said := s
	if !valid {
		said.exporter[0] ^= 1
	}
	p := &reproof.Proof{Nonce: nonce, Chain: chain, Signature: signBytes(t, said.bytes(), key)}
	frame, err := proto.Marshal(p.Frame())
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	v := vector{
		Name: name, Valid: valid, Role: map[reproof.Role]string{reproof.RoleClient: "client", reproof.RoleServer: "server"}[b.Role],
		Prover: s.prover, Verifier: s.verifier, ProverNonce: hex.EncodeToString(nonce[:]), Challenge: hex.EncodeToString(challenge[:]),
		Exporter: hex.EncodeToString(b.Exporter[:]), Authority: hex.EncodeToString(root.Raw), PrivateKey: hex.EncodeToString(pkcs8),
		SignedBytes: hex.EncodeToString(s.bytes()), Signature: hex.EncodeToString(p.Signature), Frame: hex.EncodeToString(frame),
	}
	for _, der := range chain {
		v.Chain = append(v.Chain, hex.EncodeToString(der))
	}
	return v
}

// signBytes knows the table of docs/reproof.md.
func signBytes(t *testing.T, message []byte, key crypto.Signer) []byte {
	t.Helper()
	hash, opts := crypto.SHA256, crypto.SignerOpts(crypto.SHA256)
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P384() {
			hash, opts = crypto.SHA384, crypto.SHA384
		}
	case *rsa.PrivateKey:
		opts = &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}
	case ed25519.PrivateKey:
		return ed25519.Sign(k, message)
	}
	h := hash.New()
	_, err := h.Write(message)
	require.NoError(t, err)
	signature, err := key.Sign(rand.Reader, h.Sum(nil), opts)
	require.NoError(t, err)
	return signature
}

func authorityTemplate() *x509.Certificate {
	return &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign, URIs: []*url.URL{td.ID().URL()}}
}

func issue(t *testing.T, tmpl, parent *x509.Certificate, key, by crypto.Signer) *x509.Certificate {
	t.Helper()
	tmpl.SerialNumber, tmpl.BasicConstraintsValid = big.NewInt(time.Now().UnixNano()), true
	tmpl.NotBefore, tmpl.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
	if parent == nil {
		parent = tmpl
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	require.NoError(t, err)
	return parse(t, der)
}

// FuzzVerify: nothing that a peer can send makes the verifier panic, or accept
// anything but what the honest prover signed.
func FuzzVerify(f *testing.F) {
	all := readVectors(f)
	first := all[0]
	b, challenge := first.binding(f), reproof.Nonce(unhex(f, first.Challenge))
	bundle := x509bundle.FromX509Authorities(td, []*x509.Certificate{parse(f, unhex(f, first.Authority))})
	honest := map[string]bool{} // nonce and chain of what was signed for b
	for _, v := range all {
		f.Add(unhex(f, v.Frame))
		if v.Valid && v.Role == first.Role {
			honest[v.ProverNonce+strings.Join(v.Chain, ",")] = true
		}
	}
	f.Add(unhex(f, first.Frame)[:200])
	long, err := proto.Marshal((&reproof.Proof{Chain: make([][]byte, 9), Signature: []byte(strings.Repeat("s", 600))}).Frame())
	require.NoError(f, err)
	f.Add(long)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var frame zerotrustv1.ReproofFrame
		if proto.Unmarshal(raw, &frame) != nil {
			return
		}
		p, err := reproof.ParseProof(frame.GetProof())
		if err != nil {
			return
		}
		size := 0
		sent := make([]string, 0, len(p.Chain))
		for _, der := range p.Chain {
			size += len(der)
			sent = append(sent, hex.EncodeToString(der))
		}
		if len(p.Chain) > 4 || size > 16<<10 {
			t.Fatalf("%d certificates in %d bytes came through", len(p.Chain), size)
		}
		_, err = reproof.Verify(b, challenge, p, bundle)
		if err == nil && !honest[hex.EncodeToString(p.Nonce[:])+strings.Join(sent, ",")] {
			t.Fatal("accepted what nobody signed")
		}
	})
}
