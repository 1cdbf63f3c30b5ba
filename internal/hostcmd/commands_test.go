package hostcmd_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const unknownToken = "ztt_skxevxm4vsmcokxlfnuvu6tfie2bqjeqvkkkuxa"

const token = "ztt_d7anrepk3dmgplofxdw6b2ttl7m7vaglpxiw73a"

// controller enrolls tunnelers that have the token.
type controller struct {
	zerotrustv1.UnimplementedEnrollmentServiceServer

	t    *testing.T
	ca   *mtlstest.CA
	addr string
	got  *zerotrustv1.EnrollRequest

	connectors []*zerotrustv1.DirectoryConnector

	asked  *zerotrustv1.RequestEnrollmentRequest
	decide error // of AwaitEnrollment; nil approves

	spire   string   // address of its SPIRE server; empty: 127.0.0.1:8081
	control []string // that it names to hosts that ask
}

func (c *controller) Enroll(_ context.Context, req *zerotrustv1.EnrollRequest) (*zerotrustv1.EnrollResponse, error) {
	c.got = req
	if req.GetToken() != token {
		return nil, status.Error(codes.PermissionDenied, "enrollment refused, request id 42")
	}
	csr, err := x509.ParseCertificateRequest(req.GetCsr())
	if err != nil {
		return nil, err
	}
	id := identity.NewHostID()
	return &zerotrustv1.EnrollResponse{
		TrustDomain: td.Name(), SpiffeId: "spiffe://mycorp.internal/tunneler/" + req.GetId(), HostId: string(id),
		HostCertificate: c.ca.Sign(c.t, &x509.Certificate{
			URIs: []*url.URL{id.CertificateURI(td)}, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}, csr.PublicKey),
		Bundle: c.bundle(), ControlPlaneAddresses: []string{"0.0.0.0:8444", "127.0.0.1:8444", "[::1]:8444"}, // nobody may name the first
		Directory: &zerotrustv1.Directory{Revision: 7, Connectors: c.connectors},
	}, nil
}

func (c *controller) FetchBundle(context.Context, *zerotrustv1.FetchBundleRequest) (*zerotrustv1.FetchBundleResponse, error) {
	return &zerotrustv1.FetchBundleResponse{Bundle: c.bundle(), ControlPlaneAddresses: c.control}, nil
}

func (c *controller) bundle() *zerotrustv1.BundleInfo {
	return &zerotrustv1.BundleInfo{X509Authorities: [][]byte{c.ca.Authority().Raw}, SpireServerAddress: cmp.Or(c.spire, "127.0.0.1:8081")}
}

func startController(t *testing.T) *controller {
	t.Helper()
	return start(t, &controller{t: t, ca: mtlstest.NewCA(t, td)})
}

// start serves a controller that is made already.
func start(t *testing.T, c *controller) *controller {
	t.Helper()
	cert := c.ca.Certificate(t, &x509.Certificate{
		DNSNames: []string{identity.EnrollServerName(td)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}})))
	zerotrustv1.RegisterEnrollmentServiceServer(server, c)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c.addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return c
}

// running is the run configuration of the program of these tests.
type running struct {
	hostprogram.Settings
	TunnelerID    string `conf:"tunneler_id"`
	ConnectorAddr string `conf:"connector_addr"`
}

// Validate as the programs do.
func (r *running) Validate() error {
	var f settings.Faults
	r.Check(&f)
	return f.Err()
}

type outcome struct {
	code           int
	stdout, stderr string
	state          string // the state directory that was given the first directory
	forgot         []forgotten
	read           []confRead
}

// confRead is a conf file of which the run configuration was read.
type confRead struct {
	path      string
	file, dir os.FileMode
}

// noted notes what conf file is read.
type noted struct {
	hostcmd.RunSettings

	to *[]confRead
}

// Load hides that of the settings.
func (n noted) Load(fs *pflag.FlagSet) (hostcmd.Running, error) {
	read := confRead{path: fs.Lookup("config").Value.String()}
	if info, err := os.Stat(read.path); err == nil {
		read.file = info.Mode().Perm()
	}
	if info, err := os.Stat(filepath.Dir(read.path)); err == nil {
		read.dir = info.Mode().Perm()
	}
	*n.to = append(*n.to, read)
	return n.RunSettings.Load(fs)
}

// forgotten is a state directory whose program was to forget its controller.
type forgotten struct {
	dir   string
	other bool
}

// run executes the program's commands with the token on standard input.
func run(stdin string, args ...string) outcome { return runOn(nil, stdin, args...) }

// runOn runs them on a host with this systemd.
func runOn(systemd func() hostcmd.Systemd, stdin string, args ...string) outcome {
	var out outcome
	root := &cobra.Command{Use: "grpctunneler"}
	root.AddCommand(hostcmd.Commands(hostcmd.Program{
		Name: "grpctunneler", Kind: identity.KindTunneler, Conf: "/nonexistent/tunneler.conf",
		Directory: func(stateDir string, _ int, d *zerotrustv1.Directory) error {
			if d.GetRevision() == 7 {
				out.state = stateDir
			}
			return nil
		},
		Forget: func(stateDir string, other bool) error {
			out.forgot = append(out.forgot, forgotten{stateDir, other})
			return os.Remove(filepath.Join(stateDir, "kept"))
		},
		Systemd: systemd,
		Run: func() hostcmd.RunSettings {
			spec := hostprogram.Spec("/nonexistent/tunneler.conf")
			spec.Environ = []string{}
			return noted{hostcmd.RunSettingsOf(settings.New(spec, running{Settings: hostprogram.DefaultSettings("1")}), func(r running) hostcmd.Running {
				return hostcmd.Running{Settings: r.Settings, ID: r.TunnelerID}
			}), &out.read}
		},
	})...)
	var stdout, stderr bytes.Buffer
	out.code = cli.Execute(root, cli.Process{Args: args, Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr})
	out.stdout, out.stderr = stdout.String(), stderr.String()
	return out
}

// enrollArgs are good; a test adds flags that win over them.
func enrollArgs(t *testing.T, c *controller) (args []string, dir string) {
	t.Helper()
	dir = t.TempDir()
	ca := filepath.Join(dir, "ca.crt")
	require.NoError(t, os.WriteFile(ca, c.ca.PEM(), 0o600))
	return []string{
		"enroll", "--controller-addr", c.addr, "--controller-ca-path", ca, "--tunneler-id", "laptop", "--token-file", "-",
		"--host-dir", filepath.Join(dir, "host"), "--conf", filepath.Join(dir, "tunneler.conf"), "--state-dir", filepath.Join(dir, "state"),
		"--spiffe-endpoint-socket", "unix://" + dir + "/api.sock", "--connector-addr", "10.0.0.7:9443", "--run-as", "1234",
	}, dir
}

func TestEnroll(t *testing.T) {
	t.Parallel()
	c := startController(t)
	args, dir := enrollArgs(t, c)
	conf := filepath.Join(dir, "tunneler.conf")
	require.NoError(t, os.WriteFile(conf, []byte("# mine\nLOG_LEVEL=debug\nTUNNELER_ID=old\n"), 0o600))
	got := run(token+"\n", args...)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, "enrolled spiffe://mycorp.internal/tunneler/laptop on host ")
	require.Contains(t, got.stdout, "grpctunneler run --config "+conf)
	require.NotContains(t, got.stdout+got.stderr, token)
	require.Equal(t, filepath.Join(dir, "state"), got.state)
	require.Equal(t, uint32(1234), c.got.GetHost().GetUid())
	require.True(t, filepath.IsAbs(c.got.GetHost().GetBinaryPath()))

	text, err := os.ReadFile(conf)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	require.Equal(t, "# mine\nLOG_LEVEL=debug\nTUNNELER_ID=laptop\nCONTROLLER_ADDR="+c.addr+
		"\nCONTROL_PLANE_ADDRS=127.0.0.1:8444,[::1]:8444\nCONTROLLER_CA_PATH="+dir+"/host/controller-ca.crt\nTRUST_DOMAIN=mycorp.internal\n"+
		"SPIFFE_ENDPOINT_SOCKET=unix://"+dir+"/api.sock\nSTATE_DIR="+dir+"/state\nHOST_DIR="+dir+"/host\nCONNECTOR_ADDR=10.0.0.7:9443\nENROLLED_AS=uid:1234\nENROLLED_BINARY="+self+"\n", string(text))

	bundle := filepath.Join(dir, "host", "bundle.pem")
	require.NoError(t, os.Remove(bundle))
	got = run("", "refresh-bundle", "--host-dir", filepath.Join(dir, "host"))
	require.Zero(t, got.code, got.stderr)
	require.FileExists(t, bundle)
}

// TestEnrollSpendsNoTokenForAConfFileThatItCannotEdit: systemd would read a line more or
// less than the operator sees.
func TestEnrollSpendsNoTokenForAConfFileThatItCannotEdit(t *testing.T) {
	t.Parallel()
	c := startController(t)
	for text, want := range map[string]string{
		"LOG_LEVEL=info\nexport STATE_DIR=/x\n": "line 2 begins with `export`",
		"LOG_LEVEL=info # quiet\n":              "line 1 has a comment behind the value",
		"STATE_DIR=\"/x\n":                      "line 1 begins a quoted value that has no end",
	} {
		args, dir := enrollArgs(t, c)
		conf := filepath.Join(dir, "tunneler.conf")
		require.NoError(t, os.WriteFile(conf, []byte(text), 0o600))
		got := run(token+"\n", args...)
		require.Equal(t, 2, got.code, got.stderr)
		require.Contains(t, got.stderr, conf+" cannot be edited: "+want)
		require.Nil(t, c.got, "the token was sent")
		after, err := os.ReadFile(conf)
		require.NoError(t, err)
		require.Equal(t, text, string(after))
	}
}

func TestEnrollWritesPathsWithBlanksSoThatSystemdReadsThem(t *testing.T) {
	t.Parallel()
	c := startController(t)
	args, dir := enrollArgs(t, c)
	got := run(token+"\n", append(args, "--state-dir", filepath.Join(dir, `my "state"`))...)
	require.Zero(t, got.code, got.stderr)
	text, err := os.ReadFile(filepath.Join(dir, "tunneler.conf"))
	require.NoError(t, err)
	require.Contains(t, string(text), `STATE_DIR="`+dir+`/my \"state\""`+"\n")
	require.Equal(t, filepath.Join(dir, `my "state"`), envfile.Value(string(text), "STATE_DIR"))
}

func TestEnrollOnceSpendsOneTokenHoweverOftenItRuns(t *testing.T) {
	t.Parallel()
	c := startController(t)
	args, dir := enrollArgs(t, c)
	args = append(args, "--once")
	conf := filepath.Join(dir, "tunneler.conf")
	require.NoError(t, os.WriteFile(conf, []byte("TUNNELER_ID=laptop\n"), 0o600))
	require.Zero(t, run(token+"\n", args...).code, "an id in the conf file is no enrollment")
	c.got = nil
	got := run("", args...)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "enrolled already")
	require.Nil(t, c.got, "the controller was asked again")
	for name, broken := range map[string]func() error{
		"another id": func() error {
			return os.WriteFile(conf, []byte("TUNNELER_ID=other\nCONTROL_PLANE_ADDRS=c:8444\n"), 0o600)
		},
		"cut short":              func() error { return os.WriteFile(conf, []byte("TUNNELER_ID=laptop\n"), 0o600) },
		"a conf file of nowhere": func() error { return os.Remove(filepath.Join(dir, "host", "host.json")) },
	} {
		require.NoError(t, broken(), name)
		got = run("", args...)
		require.Equal(t, 2, got.code, name)
		require.Contains(t, got.stderr, "no enrollment token", name)
	}
}

func TestEnrollFails(t *testing.T) {
	t.Parallel()
	c := startController(t)
	for name, tc := range map[string]struct {
		stdin string
		args  []string
		code  int
		want  string
	}{
		"without a token":               {code: 2, want: "no enrollment token"},
		"with a refused token":          {stdin: unknownToken, code: 3, want: "refused this token"},
		"with a mistyped token":         {stdin: token[:20] + "a" + token[21:], code: 1, want: "typing mistake"},
		"with the other kind's token":   {stdin: "ztc_0123", code: 1, want: "is for a connector"},
		"with a token as argument":      {stdin: token, args: []string{token}, code: 2, want: "takes no argument"},
		"without an address":            {stdin: token, args: []string{"--controller-addr="}, code: 2, want: "CONTROLLER_ADDR: is missing"},
		"with an address without port":  {stdin: token, args: []string{"--controller-addr=ctl"}, code: 2, want: "must be host:port"},
		"without a CA":                  {stdin: token, args: []string{"--controller-ca-path="}, code: 2, want: "CONTROLLER_CA_PATH: is missing"},
		"with a CA that is missing":     {stdin: token, args: []string{"--controller-ca-path=/nonexistent"}, code: 1, want: "check CONTROLLER_CA_PATH"},
		"with a bad id":                 {stdin: token, args: []string{"--tunneler-id=A B"}, code: 2, want: "TUNNELER_ID: "},
		"with a bad trust domain":       {stdin: token, args: []string{"--trust-domain=A_B!"}, code: 2, want: "TRUST_DOMAIN: "},
		"under another trust domain":    {stdin: token, args: []string{"--trust-domain=other.internal"}, code: 1, want: "TRUST_DOMAIN"},
		"with a binary that is missing": {stdin: token, args: []string{"--binary=/nonexistent"}, code: 1, want: "--binary"},
		"with nobody at the address":    {stdin: token, args: []string{"--controller-addr=127.0.0.1:1", "--timeout=1s"}, code: 1, want: "nothing listens there: is the program running"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args, dir := enrollArgs(t, c)
			got := run(tc.stdin, append(args, tc.args...)...)
			require.Equal(t, tc.code, got.code, got.stderr)
			require.Contains(t, got.stderr, tc.want)
			require.NotRegexp(t, `rpc error|desc =|transport:`, got.stderr)
			if tc.stdin != "" { // as an argument neither
				require.NotContains(t, got.stderr, tc.stdin)
			}
			require.NoFileExists(t, filepath.Join(dir, "tunneler.conf"))
		})
	}
	for _, command := range [][]string{{"refresh-bundle"}, {"agent", "run"}} {
		t.Run("before enrollment, "+strings.Join(command, " "), func(t *testing.T) {
			t.Parallel()
			got := run("", append(command, "--host-dir", t.TempDir())...)
			require.Equal(t, 1, got.code)
			require.Contains(t, got.stderr, "is this host enrolled?")
		})
	}
}
