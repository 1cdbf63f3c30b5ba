package tunnelbench_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/servers"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// tunnel leads from a local address to the target.
type tunnel struct {
	name string
	at   string           // where its clients connect
	ends []*world.Process // with their children, what it takes is theirs
}

// The names of those that limits are of.
const (
	raw, ours          = "raw relay (splice)", "grpctunneler, grpcconnector"
	sshDefault, sshGCM = "ssh -L", "ssh -L, aes128-gcm"
	stunnel, haproxy   = "stunnel", "haproxy"
	nginx              = "nginx stream"
)

// builder starts tunnels to one target.
type builder struct {
	*servers.House
	t  *testing.T
	to string
}

func (b *builder) all() []tunnel {
	b.certificates()
	return []tunnel{
		b.raw(), b.ours(), b.ssh(sshDefault, ""), b.ssh(sshGCM, "aes128-gcm@openssh.com"), b.stunnel(), b.haproxy(), b.nginx(),
	}
}

// self runs this program as something else; see TestMain.
func self(t *testing.T, dir, name string, args ...string) *world.Process {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	p, err := world.Start(world.Spec{Name: name, Dir: dir, Path: path, Env: []string{roleEnv + "=" + strings.Join(args, " ")}})
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p
}

func (b *builder) raw() tunnel {
	near, far := hosttest.Address(b.t), hosttest.Address(b.t)
	out := tunnel{name: raw, at: near, ends: []*world.Process{
		self(b.t, b.Path("."), "relay-far", "relay", far, b.to), self(b.t, b.Path("."), "relay-near", "relay", near, far),
	}}
	listens(b.t, far)
	listens(b.t, near)
	return out
}

func (b *builder) ours() tunnel {
	w := worldtest.New(b.t, "--spire-attestation-limit=false", "--log-level", "warn")
	w.Boot()
	return b.oursIn(w)
}

// oursIn is that of a controller that runs.
func (b *builder) oursIn(w *worldtest.World) tunnel {
	c := w.Join("c", "connector", "c-01")
	at := hosttest.Address(b.t)
	t := w.Host("t", "tunneler", "t-01")
	t.Env = []string{"FORWARDS=" + at + "=" + b.to}
	w.Enroll(t)
	require.NoError(b.t, t.Start())
	w.Online(t)
	host, port, err := net.SplitHostPort(b.to)
	require.NoError(b.t, err)
	_, err = w.API.CreateResource(b.t.Context(), adminapi.ResourceRequest{ID: "target", Hosts: []string{host}, Ports: []string{port}})
	require.NoError(b.t, err)
	_, err = w.API.CreateGrant(b.t.Context(), adminapi.GrantRequest{ID: "target", Subject: "tunneler/t-01", Object: "resource/target"})
	require.NoError(b.t, err)
	answers(b.t, at)
	return tunnel{name: ours, at: at, ends: []*world.Process{c.Program, t.Program}}
}

func (b *builder) ssh(name, cipher string) tunnel {
	at, near, dir := hosttest.Address(b.t), hosttest.Address(b.t), "ssh"+cipher
	b.Mkdir(dir)
	for _, key := range []string{"host", "client"} {
		out, err := exec.CommandContext(b.t.Context(), servers.Tool(b.t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", b.Path(dir+"/"+key)).CombinedOutput()
		require.NoError(b.t, err, "%s", out)
	}
	b.Own(dir)
	config := b.Write(dir+"/sshd_config", strings.Join([]string{
		"ListenAddress " + at, "HostKey " + b.Path(dir+"/host"), "AuthorizedKeysFile " + b.Path(dir+"/client.pub"), "PidFile none", "UsePAM no", "StrictModes no", "",
	}, "\n"))
	far := b.Start(at, "sshd", "-D", "-e", "-f", config)
	host, port, err := net.SplitHostPort(at)
	require.NoError(b.t, err)
	args := []string{
		"-F", "none", "-N", "-p", port, "-i", b.Path(dir + "/client"), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ExitOnForwardFailure=yes", "-L", near + ":" + b.to,
	}
	if cipher != "" {
		args = append(args, "-c", cipher)
	}
	client := b.Start(near, "ssh", append(args, servers.User+"@"+host)...)
	answers(b.t, near)
	return tunnel{name: name, at: near, ends: []*world.Process{far, client}}
}

func (b *builder) stunnel() tunnel {
	near, far := hosttest.Address(b.t), hosttest.Address(b.t)
	common := "foreground = yes\nsyslog = no\ndebug = 3\npid =\nsslVersionMin = TLSv1.3\n[t]\nCAfile = " + b.Path("ca.pem") + "\nverifyChain = yes\ncert = " + b.Path("pair.pem") + "\n"
	server := b.Write("stunnel-far.conf", common+"accept = "+far+"\nconnect = "+b.to+"\n")
	client := b.Write("stunnel-near.conf", common+"client = yes\naccept = "+near+"\nconnect = "+far+"\n")
	out := tunnel{name: stunnel, at: near, ends: []*world.Process{b.Start(far, "stunnel", server), b.Start(near, "stunnel", client)}}
	answers(b.t, near)
	return out
}

func (b *builder) haproxy() tunnel {
	near, far := hosttest.Address(b.t), hosttest.Address(b.t)
	common := "global\n maxconn 9000\n ssl-server-verify required\ndefaults\n mode tcp\n timeout connect 10s\n timeout client 1h\n timeout server 1h\n"
	server := b.Write("haproxy-far.cfg", common+fmt.Sprintf("listen t\n bind %s ssl crt %s ca-file %s verify required ssl-min-ver TLSv1.3\n server s %s\n", far, b.Path("pair.pem"), b.Path("ca.pem"), b.to))
	client := b.Write("haproxy-near.cfg", common+fmt.Sprintf("listen t\n bind %s\n server s %s ssl crt %s ca-file %s verify required\n", near, far, b.Path("pair.pem"), b.Path("ca.pem")))
	out := tunnel{name: haproxy, at: near, ends: []*world.Process{b.Start(far, "haproxy", "-f", server), b.Start(near, "haproxy", "-f", client)}}
	answers(b.t, near)
	return out
}

func (b *builder) nginx() tunnel {
	near, far := hosttest.Address(b.t), hosttest.Address(b.t)
	config := func(name, server string) string {
		return b.Write(name+".conf", fmt.Sprintf("load_module %s; daemon off; pid %s.pid; error_log stderr error; worker_processes auto; worker_rlimit_nofile 18000;\nevents { worker_connections 9000; }\nstream { proxy_timeout 1h; server { %s } }\n",
			b.Module("ngx_stream_module.so"), b.Path("tmp/"+name), server))
	}
	pair := fmt.Sprintf("_certificate %[1]s; %%[1]s_certificate_key %[1]s;", b.Path("pair.pem"))
	server := config("nginx-far", "listen "+far+" ssl; ssl"+fmt.Sprintf(pair, "ssl")+" ssl_protocols TLSv1.3; ssl_verify_client on; ssl_client_certificate "+b.Path("ca.pem")+"; proxy_pass "+b.to+";")
	client := config("nginx-near", "listen "+near+"; proxy_pass "+far+"; proxy_ssl on; proxy_ssl_protocols TLSv1.3; proxy_ssl"+fmt.Sprintf(pair, "proxy_ssl")+" proxy_ssl_verify on; proxy_ssl_name 127.0.0.1; proxy_ssl_trusted_certificate "+b.Path("ca.pem")+";")
	out := tunnel{name: nginx, at: near}
	for _, c := range []struct{ at, config string }{{far, server}, {near, client}} {
		out.ends = append(out.ends, b.Start(c.at, "nginx", "-e", "stderr", "-p", b.Path("."), "-c", c.config))
	}
	answers(b.t, near)
	return out
}

// certificates makes pair.pem, which is both ends', and ca.pem, which signed it: P-256, as the
// SVIDs are.
func (b *builder) certificates() {
	b.t.Helper()
	make1 := func(name string, ca, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(b.t, err)
		if parent == nil {
			parent, signer = ca, key
		}
		der, err := x509.CreateCertificate(rand.Reader, ca, parent, key.Public(), signer)
		require.NoError(b.t, err)
		out, err := x509.ParseCertificate(der)
		require.NoError(b.t, err)
		private, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(b.t, err)
		text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		pair := text + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
		if name != "" {
			b.Write(name, pair)
		}
		return out, key, text
	}
	template := func(name string, ca bool) *x509.Certificate {
		t := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			BasicConstraintsValid: true, IsCA: ca, KeyUsage: x509.KeyUsageDigitalSignature,
		}
		if ca {
			t.KeyUsage |= x509.KeyUsageCertSign
		} else {
			t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
			t.DNSNames = []string{"127.0.0.1"} // nginx compares names only
			t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		}
		return t
	}
	root, key, text := make1("", template("root", true), nil, nil)
	b.Write("ca.pem", text)
	make1("pair.pem", template("127.0.0.1", false), root, key)
}

// listens waits until somebody listens there.
func listens(t *testing.T, at string) {
	t.Helper()
	eventually(t, at, func() error {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", at)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

// answers waits until the target answers through the tunnel.
func answers(t *testing.T, at string) {
	t.Helper()
	eventually(t, at, func() error {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", at)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err = c.Write([]byte{echoes, 'x'}); err == nil {
			_, err = io.ReadFull(c, make([]byte, 1))
		}
		return err
	})
}
