package enrollclient_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const secret = "ztc_u333byr3gwr5sxzhzvvj7x3a32z4jutpducrmja"

// fakeController enrolls whatever comes, as a test spoils it.
type fakeController struct {
	zerotrustv1.UnimplementedEnrollmentServiceServer

	t       *testing.T
	ca      *mtlstest.CA // the bootstrap CA
	runtime *mtlstest.CA
	addr    string
	hostID  identity.HostID
	time    *timestamppb.Timestamp
	spoil   func(n int, reply *zerotrustv1.EnrollResponse) error // n counts from 1

	mu    sync.Mutex
	keys  []string // of the requests, in order
	hosts []string // host ids of the client certificates, "" without one
}

func startController(t *testing.T, spoil func(int, *zerotrustv1.EnrollResponse) error) *fakeController {
	t.Helper()
	f := &fakeController{t: t, ca: mtlstest.NewCA(t, td), runtime: mtlstest.NewCA(t, td), hostID: identity.NewHostID(), spoil: spoil}
	listenerCert := f.ca.Certificate(t, &x509.Certificate{
		DNSNames: []string{identity.EnrollServerName(td)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{listenerCert},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: f.anchors(),
	})))
	zerotrustv1.RegisterEnrollmentServiceServer(server, f)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f.addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return f
}

func (f *fakeController) anchors() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(f.ca.Authority())
	return pool
}

func (f *fakeController) bundle() *zerotrustv1.BundleInfo {
	return &zerotrustv1.BundleInfo{X509Authorities: [][]byte{f.runtime.Authority().Raw}, SpireServerAddress: "127.0.0.1:8081"}
}

func (f *fakeController) Enroll(ctx context.Context, req *zerotrustv1.EnrollRequest) (*zerotrustv1.EnrollResponse, error) {
	csr, err := x509.ParseCertificateRequest(req.GetCsr())
	if err != nil || csr.CheckSignature() != nil {
		return nil, status.Error(codes.InvalidArgument, "csr: is broken")
	}
	sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	caller := ""
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.VerifiedChains) > 0 {
			h, err := identity.HostFromCertificate(info.State.PeerCertificates[0], td)
			if err != nil {
				return nil, err
			}
			caller = string(h)
		}
	}
	f.mu.Lock()
	f.keys, f.hosts = append(f.keys, hex.EncodeToString(sum[:])), append(f.hosts, caller)
	n := len(f.keys)
	f.mu.Unlock()
	if req.GetToken() != secret {
		return nil, status.Error(codes.PermissionDenied, "enrollment refused, request id 42")
	}
	kind := strings.ToLower(strings.TrimPrefix(req.GetKind().String(), "WORKLOAD_KIND_"))
	reply := &zerotrustv1.EnrollResponse{
		TrustDomain: td.Name(), SpiffeId: "spiffe://mycorp.internal/" + kind + "/" + req.GetId(), HostId: string(f.hostID),
		Bundle: f.bundle(), ControlPlaneAddresses: []string{"127.0.0.1:8444"},
	}
	if req.GetEphemeral() {
		reply.JoinToken = "join"
	} else {
		reply.HostCertificate = f.ca.Sign(f.t, hostTemplate(f.hostID), csr.PublicKey)
	}
	return reply, f.spoil(n, reply)
}

func (f *fakeController) FetchBundle(context.Context, *zerotrustv1.FetchBundleRequest) (*zerotrustv1.FetchBundleResponse, error) {
	return &zerotrustv1.FetchBundleResponse{Bundle: f.bundle(), ControllerTime: f.time}, nil
}

func hostTemplate(id identity.HostID) *x509.Certificate {
	return &x509.Certificate{
		URIs: []*url.URL{id.CertificateURI(td)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

func good(int, *zerotrustv1.EnrollResponse) error { return nil }

func (f *fakeController) client(t *testing.T) *enrollclient.Client {
	t.Helper()
	c, err := enrollclient.New(enrollclient.Config{Address: f.addr, Anchors: f.anchors(), TrustDomain: td, Timeout: 20 * time.Second})
	require.NoError(t, err)
	return c
}

func request(t *testing.T, dir, token string) enrollclient.Request {
	t.Helper()
	tok, err := enrollclient.NewToken(token)
	require.NoError(t, err)
	return enrollclient.Request{
		Token: tok, Workload: identity.Workload{Kind: identity.KindConnector, ID: "gw"},
		Facts: &zerotrustv1.HostFacts{BinaryPath: "/bin/true"}, Dir: hostagent.Dir{Root: dir}, CA: []byte("the CA\n"),
	}
}

func TestEnroll(t *testing.T) {
	t.Parallel()
	t.Run("writes a host that the agent can use", func(t *testing.T) {
		t.Parallel()
		f, dir := startController(t, good), filepath.Join(t.TempDir(), "host")
		got, err := f.client(t).Enroll(t.Context(), request(t, dir, secret))
		require.NoError(t, err)
		require.Equal(t, f.hostID, got.HostID)
		d := hostagent.Dir{Root: dir}
		_, err = tls.LoadX509KeyPair(d.Certificate(), d.Key())
		require.NoError(t, err)
		info, err := os.Stat(d.Key())
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode())
		h, err := d.ReadHost()
		require.NoError(t, err)
		require.Equal(t, hostagent.Host{
			HostID: f.hostID, TrustDomain: td, ControllerAddress: f.addr, ControllerCAPath: filepath.Join(dir, "controller-ca.crt"), SPIREServerAddress: "127.0.0.1:8081",
		}, h)
		require.NotContains(t, everything(t, dir), secret, "the token is in no file")
	})
	t.Run("retries with the same key when the reply is lost", func(t *testing.T) {
		t.Parallel()
		f := startController(t, func(n int, _ *zerotrustv1.EnrollResponse) error {
			if n < 3 {
				return status.Error(codes.Unavailable, "lost")
			}
			return nil
		})
		_, err := f.client(t).Enroll(t.Context(), request(t, t.TempDir(), secret))
		require.NoError(t, err)
		require.Len(t, f.keys, 3)
		require.Equal(t, f.keys[0], f.keys[2])
	})
	t.Run("takes the key of an unfinished enrollment up again, with --new-host too", func(t *testing.T) {
		t.Parallel()
		f := startController(t, func(n int, _ *zerotrustv1.EnrollResponse) error {
			if n < 3 {
				return status.Error(codes.Internal, "killed in between")
			}
			return nil
		})
		r := request(t, t.TempDir(), secret)
		for _, newHost := range []bool{false, true} {
			r.NewHost = newHost
			_, err := f.client(t).Enroll(t.Context(), r)
			require.Error(t, err)
			require.NoFileExists(t, r.Dir.Certificate())
		}
		_, err := f.client(t).Enroll(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, []string{f.keys[0], f.keys[0], f.keys[0]}, f.keys)
	})
	t.Run("shows the host certificate for a second role and keeps the key", func(t *testing.T) {
		t.Parallel()
		f, dir := startController(t, good), t.TempDir()
		_, err := f.client(t).Enroll(t.Context(), request(t, dir, secret))
		require.NoError(t, err)
		second := request(t, dir, secret)
		second.Workload.ID = "gw2"
		got, err := f.client(t).Enroll(t.Context(), second)
		require.NoError(t, err)
		require.True(t, got.SecondOne)
		require.Equal(t, []string{"", string(f.hostID)}, f.hosts)
		require.Equal(t, f.keys[0], f.keys[1])
	})
	t.Run("puts the old host aside with --new-host", func(t *testing.T) {
		t.Parallel()
		f := startController(t, good)
		r := request(t, t.TempDir(), secret)
		_, err := f.client(t).Enroll(t.Context(), r)
		require.NoError(t, err)
		r.NewHost = true
		_, err = f.client(t).Enroll(t.Context(), r)
		require.NoError(t, err)
		require.NotEqual(t, f.keys[0], f.keys[1])
		require.Empty(t, f.hosts[1], "the old certificate is not shown")
		old, err := filepath.Glob(r.Dir.Key() + ".*")
		require.NoError(t, err)
		require.Len(t, old, 1)
	})
	t.Run("keeps no key of an ephemeral host", func(t *testing.T) {
		t.Parallel()
		f := startController(t, good)
		r := request(t, t.TempDir(), secret)
		r.Ephemeral = true
		_, err := f.client(t).Enroll(t.Context(), r)
		require.NoError(t, err)
		require.NoFileExists(t, r.Dir.Key())
		raw, err := os.ReadFile(r.Dir.JoinToken())
		require.NoError(t, err)
		require.Equal(t, "join\n", string(raw))
		h, err := r.Dir.ReadHost()
		require.NoError(t, err)
		require.True(t, h.Ephemeral)
	})
}

func TestEnrollFails(t *testing.T) {
	t.Parallel()
	t.Run("with one clear error for a refused token, without it", func(t *testing.T) {
		t.Parallel()
		f := startController(t, good)
		_, err := f.client(t).Enroll(t.Context(), request(t, t.TempDir(), "ztc_lghnvvr2j3sorj7y5dqiin2w2kbkfjfcfjfvdtq"))
		require.ErrorIs(t, err, enrollclient.ErrRefused)
		require.ErrorContains(t, err, "ask for a new one")
		require.NotContains(t, err.Error(), "somebody-elses")
		require.Len(t, f.keys, 1, "a refusal is not retried")
	})
	t.Run("before anything is sent for a token of the other kind", func(t *testing.T) {
		t.Parallel()
		f := startController(t, good)
		_, err := f.client(t).Enroll(t.Context(), request(t, t.TempDir(), "ztt_0123"))
		require.ErrorContains(t, err, "is for a tunneler")
		require.Empty(t, f.keys)
	})
	t.Run("at once under another bootstrap CA", func(t *testing.T) {
		t.Parallel()
		f := startController(t, good)
		other := x509.NewCertPool()
		other.AddCert(mtlstest.NewCA(t, td).Authority())
		c, err := enrollclient.New(enrollclient.Config{Address: f.addr, Anchors: other, TrustDomain: td})
		require.NoError(t, err)
		_, err = c.Enroll(t.Context(), request(t, t.TempDir(), secret))
		require.ErrorContains(t, err, "check CONTROLLER_ADDR, CONTROLLER_CA_PATH")
		require.Empty(t, f.keys)
	})
	t.Run("at once when the listener is of another trust domain", func(t *testing.T) {
		t.Parallel()
		f := startController(t, good)
		c, err := enrollclient.New(enrollclient.Config{Address: f.addr, Anchors: f.anchors(), TrustDomain: spiffeid.RequireTrustDomainFromString("other.internal")})
		require.NoError(t, err)
		_, err = c.Enroll(t.Context(), request(t, t.TempDir(), secret))
		require.ErrorContains(t, err, "TRUST_DOMAIN")
	})
	t.Run("at once when the controller does not know the host's certificate", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		_, err := startController(t, good).client(t).Enroll(t.Context(), request(t, dir, secret))
		require.NoError(t, err)
		f := startController(t, good) // rebuilt from nothing, with a new bootstrap CA
		_, err = f.client(t).Enroll(t.Context(), request(t, dir, secret))
		require.ErrorContains(t, err, "enroll with --new-host")
		require.Empty(t, f.keys)
	})
	t.Run("when its time is up, and says that nothing is lost", func(t *testing.T) {
		t.Parallel()
		c, err := enrollclient.New(enrollclient.Config{Address: "127.0.0.1:1", Anchors: x509.NewCertPool(), TrustDomain: td, Timeout: 300 * time.Millisecond})
		require.NoError(t, err)
		_, err = c.Enroll(t.Context(), request(t, t.TempDir(), secret))
		require.ErrorContains(t, err, "run the same command again")
		require.NotContains(t, err.Error(), secret)
	})
	stranger := mtlstest.NewCA(t, td)
	for name, spoil := range map[string]func(*fakeController, *zerotrustv1.EnrollResponse){
		"another identity": func(_ *fakeController, r *zerotrustv1.EnrollResponse) {
			r.SpiffeId = "spiffe://mycorp.internal/connector/x"
		},
		"another trust domain": func(_ *fakeController, r *zerotrustv1.EnrollResponse) { r.TrustDomain = "other.internal" },
		"no bundle":            func(_ *fakeController, r *zerotrustv1.EnrollResponse) { r.Bundle.X509Authorities = nil },
		"a leaf as authority": func(_ *fakeController, r *zerotrustv1.EnrollResponse) {
			r.Bundle.X509Authorities = [][]byte{r.GetHostCertificate()}
		},
		"no SPIRE server":             func(_ *fakeController, r *zerotrustv1.EnrollResponse) { r.Bundle.SpireServerAddress = "" },
		"no certificate":              func(_ *fakeController, r *zerotrustv1.EnrollResponse) { r.HostCertificate = nil },
		"a certificate of another id": func(_ *fakeController, r *zerotrustv1.EnrollResponse) { r.HostId = string(identity.NewHostID()) },
		"a broken host id":            func(_ *fakeController, r *zerotrustv1.EnrollResponse) { r.HostId = "../../etc" },
		"a certificate for another key": func(f *fakeController, r *zerotrustv1.EnrollResponse) {
			r.HostCertificate = f.ca.Certificate(f.t, hostTemplate(f.hostID)).Certificate[0]
		},
		"a certificate of another CA": func(f *fakeController, r *zerotrustv1.EnrollResponse) {
			c, err := x509.ParseCertificate(r.GetHostCertificate())
			if err == nil {
				r.HostCertificate = stranger.Sign(f.t, hostTemplate(f.hostID), c.PublicKey)
			}
		},
	} {
		t.Run("on a reply with "+name, func(t *testing.T) {
			t.Parallel()
			var f *fakeController
			f = startController(t, func(_ int, r *zerotrustv1.EnrollResponse) error { spoil(f, r); return nil })
			r := request(t, t.TempDir(), secret)
			_, err := f.client(t).Enroll(t.Context(), r)
			require.Error(t, err)
			require.NoFileExists(t, r.Dir.Certificate(), "an unusable reply does not make an enrolled host")
		})
	}
}

// elsewhere is a connection whose other end says that it is another host.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 8443} }

// remote is a client of the controller to which it is on another host.
func (f *fakeController) remote(t *testing.T) *enrollclient.Client {
	c := f.client(t)
	c.DialWith(func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		return elsewhere{conn}, err
	})
	return c
}

// TestTakesNoAddressOfThisHostFromAnother: a controller that does not know its own
// address once said 127.0.0.1, and hosts looked for SPIRE on themselves.
func TestTakesNoAddressOfThisHostFromAnother(t *testing.T) {
	t.Parallel()
	t.Run("at enrollment", func(t *testing.T) {
		t.Parallel()
		f := startController(t, func(n int, r *zerotrustv1.EnrollResponse) error {
			r.Bundle.SpireServerAddress = map[int]string{1: "127.0.0.1:8081", 2: "192.0.2.7:8081"}[n]
			r.ControlPlaneAddresses = []string{"127.0.0.1:8444", "192.0.2.7:8444", "[::1]:8444"}
			r.Directory = &zerotrustv1.Directory{ControlPlaneAddresses: []string{"localhost:8444", "192.0.2.7:8444"}}
			return nil
		})
		r := request(t, t.TempDir(), secret)
		_, err := f.remote(t).Enroll(t.Context(), r)
		require.ErrorContains(t, err, "set public_address on the controller")
		require.NoFileExists(t, r.Dir.HostFile())
		require.NoFileExists(t, r.Dir.Certificate())

		t.Log("the same command enrolls it once the controller is right")
		got, err := f.remote(t).Enroll(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, f.keys[0], f.keys[1])
		host, err := r.Dir.ReadHost()
		require.NoError(t, err)
		require.Equal(t, "192.0.2.7:8081", host.SPIREServerAddress)
		require.Equal(t, []string{"192.0.2.7:8444"}, got.Reply.GetControlPlaneAddresses())
		require.Equal(t, []string{"192.0.2.7:8444"}, got.Reply.GetDirectory().GetControlPlaneAddresses())
	})
	t.Run("with a bundle", func(t *testing.T) {
		t.Parallel()
		f := startController(t, good)
		b, err := f.remote(t).FetchBundle(t.Context())
		require.NoError(t, err)
		require.Empty(t, b.ServerAddress)
		require.Equal(t, "127.0.0.1:8081", b.Refused)
		require.NotEmpty(t, b.Authorities)
	})
}

func TestControllerTime(t *testing.T) {
	t.Parallel()
	f := startController(t, good)
	_, err := f.client(t).ControllerTime(t.Context())
	require.ErrorIs(t, err, enrollclient.ErrNoTime, "of an older controller")
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	f.time = timestamppb.New(at)
	got, err := f.client(t).ControllerTime(t.Context())
	require.NoError(t, err)
	require.True(t, at.Equal(got))
	f.time = &timestamppb.Timestamp{Nanos: -1}
	_, err = f.client(t).ControllerTime(t.Context())
	require.ErrorIs(t, err, enrollclient.ErrNoTime, "no time at all")
}

func TestFetchBundle(t *testing.T) {
	t.Parallel()
	f := startController(t, good)
	b, err := f.client(t).FetchBundle(t.Context())
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8081", b.ServerAddress)
	require.True(t, b.Authorities[0].Equal(f.runtime.Authority()))
}

func TestTokenSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, credential := filepath.Join(dir, "t"), filepath.Join(dir, "enrollment-token")
	require.NoError(t, os.WriteFile(file, []byte("ztc_file\n"), 0o600))
	require.NoError(t, os.WriteFile(credential, []byte("ztc_credential\n"), 0o600))
	for name, c := range map[string]struct {
		file, env, credentials string
		want                   string
		warned                 bool
	}{
		"a file before all":              {file: file, env: "ztc_env", credentials: dir, want: "ztc_file"},
		"standard input":                 {file: "-", env: "ztc_env", want: "ztc_stdin"},
		"the environment, with warning":  {env: "ztc_env", credentials: dir, want: "ztc_env", warned: true},
		"the systemd credential at last": {credentials: dir, want: "ztc_credential"},
	} {
		t.Run("takes "+name, func(t *testing.T) {
			t.Parallel()
			warning := ""
			got, err := enrollclient.TokenSource{
				File: c.file, Stdin: strings.NewReader(" ztc_stdin\r\n"), Warn: func(text string) { warning = text },
				Getenv: func(k string) string {
					return map[string]string{"ENROLLMENT_TOKEN": c.env, "CREDENTIALS_DIRECTORY": c.credentials}[k]
				},
			}.Read()
			require.NoError(t, err)
			want, err := enrollclient.NewToken(c.want)
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Equal(t, c.warned, strings.Contains(warning, "(ps)"), "sudo keeps it among its arguments: %q", warning)
			require.NotContains(t, got.String()+got.GoString(), "ztc_")
		})
	}
	t.Run("waits for no end of the input after the first line", func(t *testing.T) {
		t.Parallel()
		open := iotest.ErrReader(errors.New("it waits for more"))
		got, err := enrollclient.TokenSource{File: "-", Stdin: io.MultiReader(strings.NewReader("\nztc_stdin\r\n"), open)}.Read()
		require.NoError(t, err)
		want, err := enrollclient.NewToken("ztc_stdin")
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	t.Run("says where it looked", func(t *testing.T) {
		t.Parallel()
		_, err := enrollclient.TokenSource{Getenv: func(string) string { return "" }}.Read()
		require.ErrorIs(t, err, enrollclient.ErrNoToken)
	})
	for name, text := range map[string]string{"empty": " \n", "two words": "a b", "a second word in the first line": "a b\nc", "a whole file": strings.Repeat("x", 10_000), "binary": "a\x00b"} {
		t.Run("refuses input that is "+name, func(t *testing.T) {
			t.Parallel()
			_, err := enrollclient.TokenSource{File: "-", Stdin: strings.NewReader(text)}.Read()
			require.Error(t, err)
		})
	}
}

func everything(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		all.Write(raw)
		return errors.Join(err)
	}))
	return all.String()
}
