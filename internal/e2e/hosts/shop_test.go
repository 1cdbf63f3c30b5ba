package hosts_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

const (
	shopAddress  = "10.77.0.250:8443"
	shopVersion  = "v1.5.0"
	connectorTar = "grpcconnector.tar.gz"
	agentTar     = "grpc-spire-agent.tar.gz"
)

// shop is what a controller serves under /install/, in the hands of a test: its
// files can be wrong in any way and still be signed, or be changed after that.
type shop struct {
	t        *testing.T
	ca       *mtlstest.CA
	key      *ecdsa.PrivateKey
	files    map[string][]byte
	requests atomic.Int64
}

// newShop offers small programs that do no more than the scripts need of them. What
// the connector's enroll does is shell code.
func newShop(t *testing.T, network *hosts.Network) *shop {
	t.Helper()
	s := &shop{t: t, ca: mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("mycorp.internal"))}
	s.key = newSigner(t)
	certificate := s.ca.Certificate(t, &x509.Certificate{
		DNSNames: []string{"enroll.mycorp.internal"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	l := tls.NewListener(network.Listen("8443"), &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	s.restock("exit 3")
	return s
}

func newSigner(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// ServeHTTP implements http.Handler.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	content, ok := s.files[strings.TrimPrefix(r.URL.Path, "/install/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(content)
}

// restock puts everything back as it should be; enroll is what the connector does.
func (s *shop) restock(enroll string) {
	s.files = map[string][]byte{"VERSION": []byte(shopVersion + "\n")}
	s.put(connectorTar, connectorFiles(enroll)...)
	s.put(agentTar, agentFiles()...)
	s.sign()
}

// path of an archive for the machine that the tests run on.
func shopPath(archive string) string { return "linux-" + runtime.GOARCH + "/" + archive }

// entry is a member of an archive.
type entry struct {
	name, text, link string
	kind             byte
}

func program(body string) string {
	return "#!/bin/bash\n[[ $1 == version ]] && echo \"program " + shopVersion + " (commit 0)\" && exit\n" + body + "\n"
}

func connectorFiles(enroll string) []entry {
	return []entry{
		{name: "usr/bin/grpcconnector", text: program(enroll)},
		{name: "etc/systemd/system/grpcconnector.service", text: unit("/usr/bin/grpcconnector run")},
		{name: "usr/share/doc/grpcconnector/connector.conf", text: "# the default\n#CONTROLLER_ADDR=\n"},
		{name: "usr/share/bash-completion/completions/grpcconnector", text: "true\n"},
	}
}

func agentFiles() []entry {
	return []entry{
		{name: "usr/lib/grpc-spire-agent/host-agent", text: program("sleep 600")},
		{name: "usr/lib/grpc-spire-agent/spire-agent", text: program("sleep 600")},
		{name: "etc/systemd/system/spire-agent.service", text: unit("/usr/lib/grpc-spire-agent/host-agent run")},
		{name: "usr/lib/sysusers.d/grpc-spire-agent.conf", text: "u spire-agent - \"SPIRE agent\" /var/lib/spire-agent\n"},
		{name: "usr/lib/tmpfiles.d/grpc-spire-agent.conf", text: "d /var/lib/spire-agent 0700 spire-agent spire-agent -\n"},
		{name: "usr/share/doc/grpc-spire-agent/agent.conf", text: "#LOG_LEVEL=info\n"},
	}
}

func unit(start string) string {
	return "[Service]\nExecStart=" + start + "\n[Install]\nWantedBy=multi-user.target\n"
}

// put packs an archive.
func (s *shop) put(archive string, entries ...entry) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, e := range entries {
		kind := e.kind
		if kind == 0 {
			kind = tar.TypeReg
		}
		require.NoError(s.t, w.WriteHeader(&tar.Header{Typeflag: kind, Name: e.name, Linkname: e.link, Size: int64(len(e.text)), Mode: 0o4777, Uid: 12345}))
		_, err := w.Write([]byte(e.text))
		require.NoError(s.t, err)
	}
	require.NoError(s.t, w.Close())
	require.NoError(s.t, z.Close())
	s.files[shopPath(archive)] = out.Bytes()
}

// sign makes checksums, signature and public key for what is on offer now.
func (s *shop) sign() {
	for _, name := range []string{"SHA256SUMS", "SHA256SUMS.sig", "release.pub"} {
		delete(s.files, name)
	}
	var sums strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		sum := sha256.Sum256(s.files[name])
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), name)
	}
	s.files["SHA256SUMS"] = []byte(sums.String())
	s.files["SHA256SUMS.sig"] = s.signature(s.files["SHA256SUMS"])
	s.files["release.pub"] = publicPEM(s.t, s.key)
}

func (s *shop) signature(sums []byte) []byte {
	digest := sha256.Sum256(sums)
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, digest[:])
	require.NoError(s.t, err)
	return signature
}

func publicPEM(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// scriptText is a script of this tree.
func scriptText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../../scripts/" + name)
	require.NoError(t, err)
	return string(text)
}
