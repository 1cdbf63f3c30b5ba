package clients_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/websocket"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/servers"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// house has the servers of one test.
type house struct {
	*servers.House
	t *testing.T
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return &house{servers.New(t), t}
}

func port(t *testing.T, at string) string {
	t.Helper()
	_, p, err := net.SplitHostPort(at)
	require.NoError(t, err)
	return p
}

// ssh starts an OpenSSH server, and writes the key of its client.
func (h *house) ssh() (at, key string) {
	h.t.Helper()
	at = hosttest.Address(h.t)
	for _, name := range []string{"hostkey", "clientkey"} {
		runTo(h.t, command{argv: []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", h.Path(name)}}, io.Discard)
	}
	h.Own("hostkey")
	pub, err := os.ReadFile(h.Path("clientkey.pub"))
	require.NoError(h.t, err)
	h.Write("authorized", string(pub))
	config := h.Write("sshd_config", strings.Join([]string{
		"ListenAddress " + at, "HostKey " + h.Path("hostkey"), "AuthorizedKeysFile " + h.Path("authorized"), "PidFile none", "UsePAM no",
		"StrictModes no", "PasswordAuthentication no", "Subsystem sftp internal-sftp", "SetEnv PATH=" + h.Tools() + ":/usr/local/bin:/usr/bin:/bin", "",
	}, "\n"))
	h.Start(at, "sshd", "-D", "-e", "-f", config)
	return at, h.Path("clientkey")
}

// git makes a repository with a commit of two files, one of them large, and serves it.
func (h *house) git(big int64) (at string, sum string) {
	h.t.Helper()
	at = hosttest.Address(h.t)
	work := h.Path("work")
	git := func(args ...string) {
		h.t.Helper()
		runTo(h.t, command{argv: append([]string{"git", "-C", work, "-c", "user.name=a", "-c", "user.email=a@example.org"}, args...), env: []string{"HOME=" + h.Path(".")}}, io.Discard)
	}
	require.NoError(h.t, os.Mkdir(work, 0o755))
	git("init", "-q")
	sum = random(h.t, filepath.Join(work, "big"), big)
	require.NoError(h.t, os.WriteFile(filepath.Join(work, "README"), []byte("hello\n"), 0o600))
	git("add", ".")
	git("commit", "-q", "-m", "first")
	h.Mkdir("git")
	git("clone", "-q", "--bare", work, h.Path("git/repo.git"))
	h.Own("git")
	h.Start(at, "git", "daemon", "--listen=127.0.0.1", "--port="+port(h.t, at), "--reuseaddr", "--export-all", "--base-path="+h.Path("git"))
	return at, sum
}

// web starts nginx: HTTP/1.1, and HTTP/2 with TLS. It takes files by PUT.
func (h *house) web() (plain, secure, ca string) {
	h.t.Helper()
	h.Mkdir("www")
	plain, secure = hosttest.Address(h.t), hosttest.Address(h.t)
	ca = h.certificate()
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s/%s;\n", kind, h.Path("tmp"), kind)
	}
	config := h.Write("nginx.conf", fmt.Sprintf(`daemon off; pid %[1]s/tmp/nginx.pid; error_log stderr; worker_processes 1;
events {}
http {
  access_log off; client_max_body_size 0; sendfile on; root %[1]s/www; %[2]s
  server { listen %[3]s; location / { dav_methods PUT; } }
  server { listen %[4]s ssl http2; ssl_certificate %[1]s/web.pem; ssl_certificate_key %[1]s/web.key; location / { dav_methods PUT; } }
}
`, h.Path("."), temp.String(), plain, secure))
	h.Start(plain, "nginx", "-e", "stderr", "-p", h.Path("."), "-c", config)
	return plain, secure, ca
}

// certificate makes one of 127.0.0.1, web.pem with web.key.
func (h *house) certificate() (path string) {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(h.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a web server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(h.t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(h.t, err)
	h.Write("web.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
	return h.Write("web.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// postgres starts a database that lets everybody in.
func (h *house) postgres() (at string) {
	h.t.Helper()
	at = hosttest.Address(h.t)
	h.Mkdir("pg")
	r, err := world.Run(h.t.Context(), h.As("initdb", "-D", h.Path("pg"), "-U", servers.User, "--auth=trust", "--no-sync", "--locale=C", "-E", "UTF8"), "")
	require.NoError(h.t, err)
	require.Zero(h.t, r.Code, r.Stdout+r.Stderr)
	h.Start(at, "postgres", "-D", h.Path("pg"), "-h", "127.0.0.1", "-p", port(h.t, at), "-k", "", "-c", "fsync=off", "-c", "autovacuum=off")
	return at
}

func (h *house) redis() (at string) {
	h.t.Helper()
	at = hosttest.Address(h.t)
	h.Start(at, "redis-server", "--bind", "127.0.0.1", "--port", port(h.t, at), "--save", "", "--appendonly", "no", "--dir", h.Path("tmp"))
	return at
}

// serve answers each connection by fn, and closes it then.
func serve(t *testing.T, fn func(net.Conn)) (at string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				fn(c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// echo says what it hears.
func echo(t *testing.T) (at string) {
	t.Helper()
	return serve(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

// greeting is what a server says that speaks first.
const greeting = "220 mail.corp ESMTP\r\n"

// firstWord speaks first, and no more.
func firstWord(t *testing.T) (at string) {
	t.Helper()
	return serve(t, func(c net.Conn) { _, _ = io.WriteString(c, greeting) })
}

// hashes answers with the hash of what it has heard, when that has ended.
func hashes(t *testing.T) (at string) {
	t.Helper()
	return serve(t, func(c net.Conn) {
		h := sha256.New()
		_, _ = io.Copy(h, c)
		_, _ = io.WriteString(c, hex.EncodeToString(h.Sum(nil)))
	})
}

// sockets echoes the messages of websockets.
func sockets(t *testing.T) (at string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{ReadHeaderTimeout: soon, Handler: websocket.Server{Handler: func(c *websocket.Conn) { // no browser, so no Origin
		for {
			var message []byte
			if websocket.Message.Receive(c, &message) != nil || websocket.Message.Send(c, string(message)) != nil {
				return
			}
		}
	}}}
	t.Cleanup(func() { _ = s.Close() })
	go func() { _ = s.Serve(l) }()
	return l.Addr().String()
}
