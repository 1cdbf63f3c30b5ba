package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

func TestAHostCertificateCannotPlayTheEnrollmentListener(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	thief := s.host("thief", "connector", "thief")
	s.enroll(thief)
	ca := s.bootstrapCA()
	name := identity.EnrollServerName(td)
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for what, rogue := range map[string]struct {
		cert    *tls.Certificate
		trusted bool
	}{
		"a host certificate": {cert: hostCertificate(t, thief)},
		"a certificate of the bootstrap CA with another name": {cert: ca.sign(t, x509.Certificate{DNSNames: []string{"ctl.example.com"}, ExtKeyUsage: server})},
		"the name in the common name only":                    {cert: ca.sign(t, x509.Certificate{Subject: named(name), ExtKeyUsage: server})},
		"the right name for a client":                         {cert: ca.sign(t, x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})},
		"the right name of another CA":                        {cert: newSigner(t).sign(t, x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: server})},
		"an SVID with the right name":                         {cert: s.authority().sign(t, x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: anyUsage})},
		// The control: without it nobody knows why the others were refused.
		"the listener's own profile": {cert: ca.sign(t, x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: server}), trusted: true},
	} {
		listener := startRogue(t, rogue.cert)
		// A new host with a token.
		victim := s.NewHost(t.TempDir(), "connector", "victim")
		spec := victim.Spec("enroll", "enroll", "--conf", victim.ConfFile(), "--token-file", "-")
		spec.Env = append(spec.Env, "CONTROLLER_ADDR="+listener.addr, "CONTROLLER_CA_PATH="+s.Run.CA, "CONNECTOR_ID=victim")
		r, err := world.Run(within(t, 2*time.Minute), spec, s.token("connector", "victim").Token)
		require.NoError(t, err)
		require.Equal(t, 1, r.Code, "%s: %s", what, r.Stderr)
		require.Equal(t, rogue.trusted, listener.asked.Load() > 0, "%s got the token: %s", what, r.Stderr)

		// An enrolled host that refreshes its bundle.
		dir := hostagent.Dir{Root: filepath.Join(t.TempDir(), "host")}
		require.NoError(t, os.CopyFS(dir.Root, os.DirFS(thief.HostDir())))
		host, err := dir.ReadHost()
		require.NoError(t, err)
		host.ControllerAddress = listener.addr
		require.NoError(t, dir.WriteHost(host))
		asked := listener.asked.Load()
		r, err = world.Run(within(t, 2*time.Minute), world.Spec{
			Name: "refresh", Dir: dir.Root, Path: filepath.Join(s.Bin, "grpcconnector"), Args: []string{"refresh-bundle", "--host-dir", dir.Root},
		}, "")
		require.NoError(t, err)
		require.Equal(t, 1, r.Code, "%s: %s", what, r.Stderr)
		require.Equal(t, rogue.trusted, listener.asked.Load() > asked, "%s was asked for a bundle: %s", what, r.Stderr)
	}
}

// rogue is an enrollment listener of an attacker, which counts who trusts it.
type rogue struct {
	zerotrustv1.UnimplementedEnrollmentServiceServer
	addr  string
	asked atomic.Int32
}

func startRogue(t *testing.T, cert *tls.Certificate) *rogue {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &rogue{addr: l.Addr().String()}
	count := func(any, grpc.ServerStream) error {
		r.asked.Add(1)
		return os.ErrPermission // gRPC makes UNKNOWN of it: no reason to try again
	}
	srv := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert}})),
		grpc.UnknownServiceHandler(count))
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	return r
}

func TestOnlyAHostCertificateAttests(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	ca, name := s.bootstrapCA(), identity.EnrollServerName(td)
	host := identity.NewHostID()
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	before := len(s.agents())
	for what, cert := range map[string]*tls.Certificate{
		"the-listeners":      ca.sign(t, x509.Certificate{Subject: named(name), DNSNames: []string{name}, ExtKeyUsage: server}),
		"of-another-ca":      newSigner(t).sign(t, x509.Certificate{URIs: []*url.URL{host.CertificateURI(td)}, ExtKeyUsage: client}),
		"an-svid":            s.authority().sign(t, svid("spiffe://mycorp.internal/connector/a")),
		"without-a-host":     ca.sign(t, x509.Certificate{URIs: []*url.URL{{Scheme: "x509pop", Host: trustDomain, Path: "/other/" + string(host)}}, ExtKeyUsage: client}),
		"name-in-common-one": ca.sign(t, x509.Certificate{Subject: named(host.CertificateURI(td).String()), ExtKeyUsage: client}),
	} {
		p, _ := s.attest(what, cert)
		s.logged(p, refusedAttestation)
		require.Len(t, s.agents(), before, what)
	}
	_, socket := s.attest("a-host", ca.sign(t, x509.Certificate{URIs: []*url.URL{host.CertificateURI(td)}, ExtKeyUsage: client}))
	require.FileExists(t, socket)
	require.Len(t, s.agents(), before+1, "the control: a host certificate attests")
}

// refusedAttestation is how an agent reports the answer of the server.
const refusedAttestation = "failed to receive attestation response"

// attest starts a bare spire-agent with the certificate and returns when it has
// attested or given up.
func (s *system) attest(name string, cert *tls.Certificate) (p *world.Process, socket string) {
	s.t.Helper()
	dir := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Join(dir, "data"), 0o700))
	host, port, err := net.SplitHostPort(s.Run.SPIREServer)
	require.NoError(s.t, err)
	number, err := strconv.Atoi(port)
	require.NoError(s.t, err)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(s.t, err)
	conf := conf.Agent{
		TrustDomain: td, ServerAddress: host, ServerPort: number, SocketPath: filepath.Join(dir, "s"), DataDir: filepath.Join(dir, "data"),
		BundlePath: filepath.Join(dir, "bundle.pem"),
		X509POP:    &conf.X509POP{PrivateKeyPath: filepath.Join(dir, "key.pem"), CertificatePath: filepath.Join(dir, "cert.pem")},
	}
	writePEM(s.t, conf.X509POP.PrivateKeyPath, "PRIVATE KEY", key)
	writePEM(s.t, conf.X509POP.CertificatePath, "CERTIFICATE", cert.Certificate[0])
	bundle, err := s.spire.Bundle(s.t.Context())
	require.NoError(s.t, err)
	writePEM(s.t, conf.BundlePath, "CERTIFICATE", bundle[0].Raw)
	text, err := conf.Render()
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(filepath.Join(dir, "agent.conf"), text, 0o600))
	program := os.Getenv("SPIRE_AGENT_BIN")
	if program == "" {
		program = filepath.Join(s.Bin, "spire-agent")
	}
	p, err = world.Start(world.Spec{Name: "spire-agent", Dir: dir, Path: program, Args: []string{"run", "-config", filepath.Join(dir, "agent.conf")}})
	require.NoError(s.t, err)
	s.Keep(p)
	s.eventually(soon, name+" attested or was refused", func(context.Context) error {
		if strings.Contains(p.Tail(100), refusedAttestation) {
			return nil
		}
		_, err := os.Stat(conf.SocketPath)
		return err
	})
	return p, conf.SocketPath
}
