package e2e_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// signer is a certificate authority whose key the test has got hold of.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// sign fills in what a template leaves out: serial number and an hour of life.
func (a signer) sign(t *testing.T, template x509.Certificate) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	return &tls.Certificate{Certificate: [][]byte{a.certify(t, template, key.Public())}, PrivateKey: key}
}

func (a signer) certify(t *testing.T, template x509.Certificate, pub crypto.PublicKey) []byte {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template.SerialNumber = serial
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-10*time.Second), time.Now().Add(time.Hour)
	}
	if template.KeyUsage == 0 {
		template.KeyUsage = x509.KeyUsageDigitalSignature
	}
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, &template, a.cert, pub, a.key)
	require.NoError(t, err)
	return der
}

var anyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}

// svid is the template of what SPIRE issues.
func svid(id string, more ...string) x509.Certificate {
	out := x509.Certificate{ExtKeyUsage: anyUsage}
	for _, s := range append([]string{id}, more...) {
		u, err := url.Parse(s)
		if err != nil {
			panic(err)
		}
		out.URIs = append(out.URIs, u)
	}
	return out
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// newSigner is an authority that nobody knows.
func newSigner(t *testing.T) signer {
	t.Helper()
	a := signer{key: newKey(t)}
	a.cert = &x509.Certificate{
		Subject: pkix.Name{CommonName: "an authority that nobody knows"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
		SubjectKeyId: []byte{1, 2, 3},
	}
	var err error
	a.cert, err = x509.ParseCertificate(a.certify(t, *a.cert, a.key.Public()))
	require.NoError(t, err)
	return a
}

// bootstrapCA is the controller's own, key and all.
func (s *system) bootstrapCA() signer {
	s.t.Helper()
	return signer{cert: readCertificate(s.t, s.Run.CA), key: readKey(s.t, filepath.Join(s.Dir, "bootstrap", "ca.key"))}
}

// authority is the one with which spire-server signs now. Whatever it signs has
// nothing wrong with it but what the template says.
func (s *system) authority() signer {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.Dir, "spire", "server", "keys.json"))
	require.NoError(s.t, err)
	var file struct {
		Keys map[string][]byte `json:"keys"`
	}
	require.NoError(s.t, json.Unmarshal(raw, &file))
	bundle, err := s.spire.Bundle(s.t.Context())
	require.NoError(s.t, err)
	for _, der := range file.Keys {
		key, err := x509.ParsePKCS8PrivateKey(der)
		require.NoError(s.t, err)
		held, ok := key.(*ecdsa.PrivateKey)
		for _, cert := range bundle {
			if ok && held.PublicKey.Equal(cert.PublicKey) {
				return signer{cert: cert, key: held}
			}
		}
	}
	s.t.Fatal("spire-server's key is not in keys.json")
	return signer{}
}

func readCertificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(readPEM(t, path, "CERTIFICATE"))
	require.NoError(t, err)
	return cert
}

func readKey(t *testing.T, path string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(readPEM(t, path, "PRIVATE KEY"))
	require.NoError(t, err)
	return key.(*ecdsa.PrivateKey)
}

func readPEM(t *testing.T, path, kind string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	block, _ := pem.Decode(raw)
	require.NotNil(t, block, path)
	require.Equal(t, kind, block.Type, path)
	return block.Bytes
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// hostCertificate is what an enrolled host attests with.
func hostCertificate(t *testing.T, h *world.Host) *tls.Certificate {
	t.Helper()
	return &tls.Certificate{
		Certificate: [][]byte{readPEM(t, filepath.Join(h.HostDir(), "host.crt"), "CERTIFICATE")},
		PrivateKey:  readKey(t, filepath.Join(h.HostDir(), "host.key")),
	}
}

// mint gets an X509-SVID from a real spire-server, for a thief of anything, on a host
// or none.
func mint(t *testing.T, socket, id string, ttl time.Duration, hostIDs ...string) *tls.Certificate {
	t.Helper()
	dir := t.TempDir()
	program := os.Getenv("SPIRE_SERVER_BIN")
	if program == "" {
		program = filepath.Join(programs(t), "spire-server")
	}
	args := []string{"x509", "mint", "-socketPath", socket, "-spiffeID", id, "-ttl", ttl.String(), "-write", dir}
	for _, host := range hostIDs {
		args = append(args, "-dns", identity.HostID(host).SVIDName())
	}
	r, err := world.Run(t.Context(), world.Spec{Name: "mint", Dir: dir, Path: program, Args: args}, "")
	require.NoError(t, err)
	require.Zero(t, r.Code, "%s%s", r.Stdout, r.Stderr)
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "svid.pem"), filepath.Join(dir, "key.pem"))
	require.NoError(t, err)
	return &cert
}

// dial connects as a peer that trusts everybody and shows cert whatever the
// listener asks for.
func dial(t *testing.T, addr string, cert *tls.Certificate) *grpc.ClientConn {
	t.Helper()
	conf := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}
	if cert != nil {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(credentials.NewTLS(conf)), grpc.WithDisableRetry())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// enrollment calls the enrollment listener as a host does; cert may be nil.
func (s *system) enrollment(cert *tls.Certificate) zerotrustv1.EnrollmentServiceClient {
	s.t.Helper()
	anchors, err := bootstrap.LoadAnchors(s.Run.CA)
	require.NoError(s.t, err)
	conn, err := grpc.NewClient("passthrough:///"+s.Run.Enrollment,
		grpc.WithTransportCredentials(credentials.NewTLS(bootstrap.ClientConfig(anchors, td, cert))), grpc.WithDisableRetry())
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	return zerotrustv1.NewEnrollmentServiceClient(conn)
}

// enrollRequest asks for a connector with a key of its own.
func enrollRequest(t *testing.T, token, id string, key crypto.Signer) *zerotrustv1.EnrollRequest {
	t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	require.NoError(t, err)
	return &zerotrustv1.EnrollRequest{
		Token: token, Kind: zerotrustv1.WorkloadKind_WORKLOAD_KIND_CONNECTOR, Id: id, Csr: csr,
		Host: &zerotrustv1.HostFacts{BinaryPath: "/usr/bin/grpcconnector", Uid: 1000, Hostname: "test", Version: "test"},
	}
}

// within bounds one call.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func named(commonName string) pkix.Name { return pkix.Name{CommonName: commonName} }
