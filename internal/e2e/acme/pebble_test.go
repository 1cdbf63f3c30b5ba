package acme_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// soon is how long anything may take that takes a few seconds on an idle machine.
const soon = time.Minute

// ca is a Pebble with its DNS server, behind a front.
type ca struct {
	t      *testing.T
	w      *worldtest.World
	cert   tls.Certificate
	CAPath string // of the front's own certificate
	client *http.Client
	front  *front
	dns    string // management of the DNS server
	pebble struct{ listen, management string }
	root   *x509.CertPool
}

// startCA starts one whose validations come to tlsPort. It issues certificates of so many
// seconds, and nothing for blocked.example.
func startCA(t *testing.T, w *worldtest.World, tlsPort int, life time.Duration) *ca {
	t.Helper()
	c := &ca{t: t, w: w}
	c.makeCertificate()
	at := func() string { return hosttest.Address(t) }
	resolver := at()
	c.dns = at()
	c.pebble.listen, c.pebble.management = at(), at()
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": c.pebble.listen, "managementListenAddress": c.pebble.management,
		"certificate": w.Path("front-certificate"), "privateKey": w.Path("front-key"), "tlsPort": tlsPort, "httpPort": 1,
		"domainBlocklist": []string{"blocked.example"}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "short", "validityPeriod": int(life.Seconds())}},
	}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(w.Path("pebble.json"), config, 0o600))
	for _, s := range []world.Spec{
		{Name: "dns", Path: tool(t, "pebble-challtestsrv"), Args: []string{
			"-dnsserver", resolver, "-management", c.dns, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		}},
		{Name: "pebble", Path: tool(t, "pebble"), Args: []string{"-config", w.Path("pebble.json"), "-dnsserver", resolver}, Env: []string{
			// Validate at once; ask for each order; refuse a good nonce now and then, as servers do.
			"PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0", "PEBBLE_WFE_NONCEREJECT=10",
		}},
	} {
		s.Dir = w.Path("")
		p, err := world.Start(s)
		require.NoError(t, err)
		w.Keep(p)
	}
	c.front = newFront(t, c)
	w.Eventually(soon, "Pebble serves", c.readRoot)
	return c
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(worldtest.Programs(t), name)
	_, err := os.Stat(path)
	require.NoError(t, err, "run make pebble")
	return path
}

// makeCertificate is what Pebble and the front present. Nobody but the controller that is
// told so trusts it.
func (c *ca) makeCertificate() {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(c.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(c.t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(c.t, err)
	certPEM, keyPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
	c.CAPath = c.w.Path("front-certificate")
	require.NoError(c.t, os.WriteFile(c.CAPath, certPEM, 0o600))
	require.NoError(c.t, os.WriteFile(c.w.Path("front-key"), keyPEM, 0o600))
	c.cert, err = tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(c.t, err)
	roots := x509.NewCertPool()
	roots.AddCert(c.cert.Leaf)
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	c.t.Cleanup(c.client.CloseIdleConnections)
}

// readRoot asks Pebble for the root of what it issues: it has a new one at each start.
func (c *ca) readRoot(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.pebble.management+"/roots/0", nil)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	c.root = x509.NewCertPool()
	if !c.root.AppendCertsFromPEM(text) {
		return fmt.Errorf("no certificate: %s", text)
	}
	return nil
}

// resolve lets a name resolve to an address.
func (c *ca) resolve(name, address string) {
	c.t.Helper()
	path, body := "/add-a", map[string]any{"host": name + ".", "addresses": []string{address}}
	if address == "" {
		path, body = "/clear-a", map[string]any{"host": name + "."}
	}
	text, err := json.Marshal(body)
	require.NoError(c.t, err)
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+c.dns+path, strings.NewReader(string(text)))
	require.NoError(c.t, err)
	resp, err := c.client.Do(req)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, resp.StatusCode)
	require.NoError(c.t, resp.Body.Close())
}

// directory is the URL that the controller is told.
func (c *ca) directory() string { return "https://" + c.front.at + "/dir" }

// front passes requests to Pebble, unless it plays something else.
type front struct {
	at string

	mu      sync.Mutex
	play    func(w http.ResponseWriter, r *http.Request) bool
	paths   []string
	created int // orders
}

func newFront(t *testing.T, c *ca) *front {
	t.Helper()
	f := &front{at: hosttest.Address(t)}
	proxy := &httputil.ReverseProxy{
		Transport: c.client.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: c.pebble.listen})
			r.Out.Host = r.In.Host // what the client signs is the URL that it asked
		},
		ModifyResponse: func(r *http.Response) error {
			if isOrder(r.Request) && r.StatusCode == http.StatusCreated {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.created++
			}
			return nil
		},
	}
	server := &http.Server{
		ReadHeaderTimeout: soon, ErrorLog: log.New(io.Discard, "", 0), TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, TLSConfig: &tls.Config{Certificates: []tls.Certificate{c.cert}, MinVersion: tls.VersionTLS12},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			f.paths = append(f.paths, r.URL.Path)
			play := f.play
			f.mu.Unlock()
			if play == nil || !play(w, r) {
				proxy.ServeHTTP(w, r)
			}
		}),
	}
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", f.at)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(lis, "", "")
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return f
}

// plays makes the front answer in Pebble's place; play says whether it did. nil ends it.
func (f *front) plays(play func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.play = play
}

// newOrder is where Pebble takes orders.
const newOrder = "/order-plz"

// count says how many requests there were for a path, or in all for none.
func (f *front) count(path string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.paths {
		if path == "" || p == path {
			n++
		}
	}
	return n
}

// orders says how many Pebble has taken; one that had a nonce of before is asked for twice.
func (f *front) orders() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.created
}

func isOrder(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == newOrder }

// problem answers as an ACME server that refuses.
func problem(status int, kind, detail string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !isOrder(r) {
			return false
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:ietf:params:acme:error:" + kind, "detail": detail, "status": status})
		return true
	}
}

// down ends each connection without a word.
func down(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
