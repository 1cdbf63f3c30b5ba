package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// TestACertificateOpensNothing: connectors, tunnelers and their hosts have no way
// in. Each shows what it really has to every operation, over TLS: as its client
// certificate and as a bearer. The second listener takes client certificates, which
// ours never asks for: the API does not look at them either.
func TestACertificateOpensNothing(t *testing.T) {
	t.Parallel()
	td := spiffeid.RequireTrustDomainFromString("mycorp.internal")
	ca := mtlstest.NewCA(t, td)
	shown := map[string]tls.Certificate{
		"the SVID of a connector": svidPair(t, ca, "spiffe://mycorp.internal/connector/c-01"),
		"the SVID of a tunneler":  svidPair(t, ca, "spiffe://mycorp.internal/tunneler/t-01"),
		"a host certificate":      hostPair(t, td),
	}
	server := ca.Certificate(t, &x509.Certificate{DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	for name, listener := range map[string]tls.ClientAuthType{
		"a listener like ours": tls.NoClientCert, "a listener that takes certificates": tls.RequireAnyClientCert,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.Start(t, func(c *api.Config) {
				c.TLS = &tls.Config{Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS12, ClientAuth: listener}
			})
			for what, pair := range shown {
				var asked atomic.Bool
				tlsConfig := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}
				tlsConfig.RootCAs.AddCert(ca.Authority())
				tlsConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					asked.Store(true)
					return &pair, nil
				}
				for _, bearer := range []string{"", oneLine(pair), base64.StdEncoding.EncodeToString(pair.Certificate[0])} {
					refusedEverywhere(t, e, tlsConfig, bearer)
				}
				require.Equal(t, listener != tls.NoClientCert, asked.Load(), "%s was asked for", what)
			}
		})
	}
}

// refusedEverywhere calls every operation that is not public.
func refusedEverywhere(t *testing.T, e *apitest.Env, c *tls.Config, bearer string) {
	t.Helper()
	base := strings.Replace(e.URL, "http://", "https://", 1)
	for _, o := range e.Server.Operations() {
		if o.Public {
			continue
		}
		// Each from an address of its own, so that no limit answers first.
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, oneOf(t), oneOf(t), 2)}}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: c, DialContext: from.DialContext}, Timeout: 10 * time.Second}
		req, err := http.NewRequestWithContext(t.Context(), o.Method, base+strings.ReplaceAll(o.Route, ":", "no-such-"), strings.NewReader("{}"))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "%s %s", o.Method, o.Route)
		require.NotEmpty(t, resp.Header.Get("Strict-Transport-Security"))
	}
}

func oneOf(t *testing.T) byte {
	t.Helper()
	var b [1]byte
	_, err := rand.Read(b[:])
	require.NoError(t, err)
	return b[0]
}

func oneLine(pair tls.Certificate) string {
	return strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})), "\n", "")
}

func svidPair(t *testing.T, ca *mtlstest.CA, id string) tls.Certificate {
	t.Helper()
	s := ca.SVID(t, id)
	return tls.Certificate{Certificate: [][]byte{s.Certificates[0].Raw}, PrivateKey: s.PrivateKey}
}

// hostPair is what enrollment gives a host.
func hostPair(t *testing.T, td spiffeid.TrustDomain) tls.Certificate {
	t.Helper()
	ca, err := bootstrapca.Open(t.TempDir(), td, time.Now)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := ca.SignHost(identity.NewHostID(), key.Public())
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
