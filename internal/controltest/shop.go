package controltest

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
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// What is on offer.
const (
	ShopVersion  = "v1.5.0"
	ConnectorTar = "grpcconnector.tar.gz"
	AgentTar     = "grpc-spire-agent.tar.gz"
)

// Shop is what a controller serves under /install/, in the hands of a test: its files
// can be wrong in any way and still be signed, or be changed after that.
type Shop struct {
	T        testing.TB // of the part of the test that runs
	CA       *mtlstest.CA
	Files    map[string][]byte
	Requests atomic.Int64

	key *ecdsa.PrivateKey
}

// NewShop serves at a listener until the test ends. What the connector does is shell code.
func NewShop(t testing.TB, l net.Listener, connector string) *Shop {
	t.Helper()
	s := &Shop{T: t, CA: mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("mycorp.internal")), key: NewReleaseKey(t)}
	certificate := s.CA.Certificate(t, &x509.Certificate{
		DNSNames: []string{"enroll.mycorp.internal"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}))
	}()
	t.Cleanup(func() { _ = server.Close(); <-done })
	s.Restock(connector)
	return s
}

// NewReleaseKey makes a release key.
func NewReleaseKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Requests.Add(1)
	content, ok := s.Files[strings.TrimPrefix(r.URL.Path, "/install/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if bytes.HasSuffix(content, []byte(CutOff)) {
		w.Header().Set("Content-Length", "100000")
	}
	_, _ = w.Write(content)
}

// CutOff at the end of a file makes its download end too early.
const CutOff = "the connection ends here"

// Restock puts everything back as it should be.
func (s *Shop) Restock(connector string) {
	s.Files = map[string][]byte{"VERSION": []byte(ShopVersion + "\n")}
	s.Put(ConnectorTar, ConnectorFiles(connector)...)
	s.Put(AgentTar, AgentFiles()...)
	s.Sign()
}

// Upgrade offers a later version of everything.
func (s *Shop) Upgrade(connector, version string) {
	newer := func(files []ArchiveEntry) []ArchiveEntry {
		for i := range files {
			files[i].Text = strings.ReplaceAll(files[i].Text, ShopVersion, version) + "# newer\n"
		}
		return files
	}
	s.Put(ConnectorTar, newer(ConnectorFiles(connector))...)
	s.Put(AgentTar, newer(AgentFiles())...)
	s.Files["VERSION"] = []byte(version + "\n")
	s.Sign()
}

// ArchivePath of an archive for the machine that the tests run on.
func ArchivePath(archive string) string { return "linux-" + runtime.GOARCH + "/" + archive }

// ArchiveEntry is a member of an archive.
type ArchiveEntry struct {
	Name, Text, Link string
	Kind             byte
}

func program(body string) string {
	return "#!/bin/bash\n[[ $1 == version ]] && echo \"program " + ShopVersion + " (commit 0)\" && exit\n" + body + "\n"
}

// ConnectorFiles are those of the connector's archive.
func ConnectorFiles(body string) []ArchiveEntry {
	return []ArchiveEntry{
		{Name: "usr/bin/grpcconnector", Text: program(body)},
		{Name: "etc/systemd/system/grpcconnector.service", Text: "[Unit]\nWants=health.socket\n" + unit("/usr/bin/grpcconnector run")},
		{Name: "usr/share/doc/grpcconnector/connector.conf", Text: "# the default\n#CONTROLLER_ADDR=\n"},
		{Name: "usr/share/bash-completion/completions/grpcconnector", Text: "true\n"},
	}
}

// AgentFiles are those of the SPIRE agent's archive.
func AgentFiles() []ArchiveEntry {
	return []ArchiveEntry{
		{Name: "usr/lib/grpc-spire-agent/host-agent", Text: program("sleep 600")},
		{Name: "usr/lib/grpc-spire-agent/spire-agent", Text: program("sleep 600")},
		{Name: "etc/systemd/system/spire-agent.service", Text: unit("/usr/lib/grpc-spire-agent/host-agent run")},
		{Name: "usr/lib/sysusers.d/grpc-spire-agent.conf", Text: "u spire-agent - \"SPIRE agent\" /var/lib/spire-agent\n"},
		{Name: "usr/lib/tmpfiles.d/grpc-spire-agent.conf", Text: "d /var/lib/spire-agent 0700 spire-agent spire-agent -\n"},
		{Name: "usr/share/doc/grpc-spire-agent/agent.conf", Text: "#LOG_LEVEL=info\n"},
	}
}

func unit(start string) string {
	return "[Service]\nExecStart=" + start + "\n[Install]\nWantedBy=multi-user.target\n"
}

// Put packs an archive.
func (s *Shop) Put(archive string, entries ...ArchiveEntry) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, e := range entries {
		kind := e.Kind
		if kind == 0 {
			kind = tar.TypeReg
		}
		require.NoError(s.T, w.WriteHeader(&tar.Header{Typeflag: kind, Name: e.Name, Linkname: e.Link, Size: int64(len(e.Text)), Mode: 0o4777, Uid: 12345}))
		_, err := w.Write([]byte(e.Text))
		require.NoError(s.T, err)
	}
	require.NoError(s.T, w.Close())
	require.NoError(s.T, z.Close())
	s.Files[ArchivePath(archive)] = out.Bytes()
}

// Sign makes checksums, signature and public key for what is on offer now.
func (s *Shop) Sign() {
	for _, name := range []string{"SHA256SUMS", "SHA256SUMS.sig", "release.pub"} {
		delete(s.Files, name)
	}
	var sums strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		sum := sha256.Sum256(s.Files[name])
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), name)
	}
	s.Files["SHA256SUMS"] = []byte(sums.String())
	s.Files["SHA256SUMS.sig"] = s.Signature(s.Files["SHA256SUMS"])
	s.Files["release.pub"] = ReleasePublicPEM(s.T, s.key)
}

// Signature is that of a text, whatever it says.
func (s *Shop) Signature(sums []byte) []byte {
	digest := sha256.Sum256(sums)
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, digest[:])
	require.NoError(s.T, err)
	return signature
}

// ReleasePublicPEM is the public half of a release key.
func ReleasePublicPEM(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Spoilt are ways in which an offer is wrong, with what a host says of it. Afterwards
// Restock puts it right.
func Spoilt() map[string]ShopFault {
	out := map[string]ShopFault{
		"nothing to install":                       {func(s *Shop) { s.Files = nil }, "has no SHA256SUMS to install"},
		"a changed archive":                        {func(s *Shop) { s.Put(ConnectorTar, ConnectorFiles("exit 4")...) }, "is not the file that the signed checksums name"},
		"an archive cut short":                     {func(s *Shop) { s.Files[ArchivePath(AgentTar)] = s.Files[ArchivePath(AgentTar)][:100] }, "is not the file that the signed checksums name"},
		"changed checksums":                        {func(s *Shop) { s.Files["SHA256SUMS"] = append(s.Files["SHA256SUMS"], '\n') }, "the signature of the checksums is wrong"},
		"an empty signature":                       {func(s *Shop) { s.Files["SHA256SUMS.sig"] = nil }, "the signature of the checksums is wrong"},
		"a broken key":                             {func(s *Shop) { s.Files["release.pub"] = []byte("x") }, "release key cannot be read"},
		"a key of somebody else":                   {func(s *Shop) { s.Files["release.pub"] = ReleasePublicPEM(s.T, NewReleaseKey(s.T)) }, "the signature of the checksums is wrong"},
		"a file that is no archive":                {func(s *Shop) { s.Files[ArchivePath(ConnectorTar)] = []byte("x"); s.Sign() }, "is not an archive"},
		"an archive without the program":           {func(s *Shop) { s.Put(ConnectorTar, ConnectorFiles("")[1:]...); s.Sign() }, "with the program"},
		"a download that ends too early":           {func(s *Shop) { s.Files["SHA256SUMS"] = []byte(CutOff) }, "download of SHA256SUMS from"},
		"a download of an archive that ends early": {func(s *Shop) { s.Files[ArchivePath(AgentTar)] = []byte(CutOff) }, "download of " + ArchivePath(AgentTar) + " from"},
		"checksums that name the archive twice": {func(s *Shop) {
			s.Files["SHA256SUMS"] = append(s.Files["SHA256SUMS"], s.Files["SHA256SUMS"]...)
			s.Files["SHA256SUMS.sig"] = s.Signature(s.Files["SHA256SUMS"])
		}, "is not the file that the signed checksums name"},
		"checksums without the archive": {func(s *Shop) {
			archive := s.Files[ArchivePath(ConnectorTar)]
			delete(s.Files, ArchivePath(ConnectorTar))
			s.Sign()
			s.Files[ArchivePath(ConnectorTar)] = archive
		}, "is not the file that the signed checksums name"},
	}
	for name, e := range map[string]ArchiveEntry{
		"a path upwards":      {Name: "usr/../../etc/cron.d/x", Text: "x"},
		"an absolute path":    {Name: "/etc/cron.d/x", Text: "x"},
		"a path too many":     {Name: "etc/cron.d/x", Text: "x"},
		"a file in a place":   {Name: "usr/share/doc/grpcconnector/a/b", Text: "x"},
		"another's program":   {Name: "usr/bin/sudo", Text: "x"},
		"a symbolic link":     {Name: "usr/share/man/man8/grpcconnector.8.gz", Kind: tar.TypeSymlink, Link: "/etc/shadow"},
		"a hard link":         {Name: "usr/share/man/man8/grpcconnector.8.gz", Kind: tar.TypeLink, Link: "usr/bin/grpcconnector"},
		"a device":            {Name: "usr/share/man/man8/grpcconnector.8.gz", Kind: tar.TypeChar},
		"a linked directory":  {Name: "usr/bin", Kind: tar.TypeSymlink, Link: "/root"},
		"a name with newline": {Name: "usr/share/doc/grpcconnector/a\nb", Text: "x"},
	} {
		out["an archive with "+name] = ShopFault{func(s *Shop) {
			// The rest is as it was: the script takes the program out of it before it is looked at.
			s.Put(ConnectorTar, append([]ArchiveEntry{e}, s.connector()...)...)
			s.Sign()
		}, "the unexpected file"}
	}
	return out
}

// ShopFault is a way in which an offer is wrong.
type ShopFault struct {
	Spoil func(*Shop)
	Want  string
}

// connector are the members of the archive on offer.
func (s *Shop) connector() (out []ArchiveEntry) {
	z, err := gzip.NewReader(bytes.NewReader(s.Files[ArchivePath(ConnectorTar)]))
	require.NoError(s.T, err)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			return out
		}
		text, err := io.ReadAll(r)
		require.NoError(s.T, err)
		out = append(out, ArchiveEntry{Name: h.Name, Text: string(text)})
	}
}
