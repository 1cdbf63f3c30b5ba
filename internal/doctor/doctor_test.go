package doctor_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// host is a connector's host on which everything is fine, until a test breaks it:
// real files, a real agent socket, real listeners, and a systemctl that says what a
// test wants.
type host struct {
	doctor.Host

	t      *testing.T
	dir    string
	ca     *mtlstest.CA
	doc    hostprogram.Document
	asking error // instead of doc
	units  map[string]string
	agent  *grpc.Server
}

func newHost(t *testing.T) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "zt") //nolint:usetesting // t.TempDir's path is too long for a socket
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &host{t: t, dir: dir, ca: mtlstest.NewCA(t, td)}
	self, err := os.Executable()
	require.NoError(t, err)
	h.units = map[string]string{}
	for _, unit := range []string{"grpcconnector.service", "spire-agent.service"} {
		h.units[unit] = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nResult=success\nNRestarts=0\nConditionResult=yes\n"
	}
	h.Host = doctor.Host{
		Program: "grpcconnector", Version: "v1", Kind: identity.KindConnector, Conf: h.write("connector.conf", "CONNECTOR_ID=gw\n", 0o644),
		ID: "gw", TrustDomain: td.Name(), StateDir: h.mkdir("state"), Dir: hostagent.Dir{Root: h.mkdir("host")},
		ControllerAddr: h.listener("enroll." + td.Name()), ControlPlane: []string{plain(t)},
		EnrolledAs: "systemd:grpcconnector.service", EnrolledBinary: self,
		Means: doctor.Means{
			Now: time.Now, Systemctl: "systemctl is made by the test",
			Lookup:         func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil },
			Ask:            func(context.Context) (hostprogram.Document, error) { return h.doc, h.asking },
			ControllerTime: func(context.Context) (time.Time, error) { return time.Now(), nil },
		},
	}
	h.enroll()
	h.startAgent()
	h.doc = hostprogram.Document{
		Program: h.Program, Version: "v1", ID: "gw", StateDir: h.StateDir, Listen: plain(t), SVID: &hostprogram.SVID{NotAfter: time.Now().Add(time.Minute)},
		Process: hostprogram.Process{PID: 42, UID: os.Getuid(), Binary: self, Unit: "grpcconnector.service"},
		Checks:  []health.Check{{Name: "identity", OK: true, Detail: "4m left"}, {Name: "control_stream", OK: true}},
	}
	return h
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *host) mkdir(name string) string {
	require.NoError(h.t, os.MkdirAll(h.path(name), 0o755))
	return h.path(name)
}

func (h *host) write(name, text string, mode os.FileMode) string {
	require.NoError(h.t, os.WriteFile(h.path(name), []byte(text), mode))
	require.NoError(h.t, os.Chmod(h.path(name), mode))
	return h.path(name)
}

// enroll writes the files of an enrolled host.
func (h *host) enroll() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(h.t, err)
	id := identity.NewHostID()
	der := h.ca.Sign(h.t, &x509.Certificate{
		URIs: []*url.URL{id.CertificateURI(td)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, key.Public())
	h.write("host/host.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	h.write("host/host.key", "looked at by its mode only", 0o600)
	h.write("host/bundle.pem", string(h.ca.PEM()), 0o644)
	h.ControllerCAPath = h.write("host/controller-ca.crt", string(h.ca.PEM()), 0o644)
	require.NoError(h.t, h.Dir.WriteHost(hostagent.Host{HostID: id, TrustDomain: td, ControllerAddress: h.ControllerAddr, SPIREServerAddress: plain(h.t)}))
}

// startAgent answers the health question as a SPIRE agent does.
func (h *host) startAgent() {
	h.Socket = filepath.Join(h.mkdir("public"), "api.sock")
	l, err := (&net.ListenConfig{}).Listen(h.t.Context(), "unix", h.Socket)
	require.NoError(h.t, err)
	require.NoError(h.t, os.Chmod(h.Socket, 0o777))
	h.agent = grpc.NewServer()
	healthpb.RegisterHealthServer(h.agent, grpchealth.NewServer())
	serve(h.t, func() { _ = h.agent.Serve(l) }, h.agent.Stop)
}

func serve(t *testing.T, run, stop func()) {
	t.Helper()
	var running sync.WaitGroup
	running.Go(run)
	t.Cleanup(func() { stop(); running.Wait() })
}

// listener is an enrollment listener whose certificate is for this name.
func (h *host) listener(name string, spoil ...mtlstest.Option) string {
	return listenTLS(h.t, h.ca, name, spoil...)
}

func listenTLS(t *testing.T, ca *mtlstest.CA, name string, spoil ...mtlstest.Option) string {
	t.Helper()
	template := &x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, s := range spoil {
		s(template)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{ca.Certificate(t, template)},
	})
	require.NoError(t, err)
	accept(t, l, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	return l.Addr().String()
}

// plain is an address that accepts connections.
func plain(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accept(t, l, func(net.Conn) {})
	return l.Addr().String()
}

func accept(t *testing.T, l net.Listener, use func(net.Conn)) {
	t.Helper()
	serve(t, func() {
		var open sync.WaitGroup
		defer open.Wait()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				use(c)
			})
		}
	}, func() { _ = l.Close() })
}

// examine runs doctor.
func (h *host) examine() doctor.Report {
	h.t.Helper()
	if h.Systemctl != "" {
		// A link, because a program that was just written cannot always be started: a
		// fork of another test may hold it open.
		script, err := filepath.Abs("testdata/systemctl")
		require.NoError(h.t, err)
		h.mkdir("units")
		for unit, text := range h.units {
			h.write("units/"+unit, text, 0o644)
		}
		h.Systemctl = h.path("systemctl")
		require.NoError(h.t, os.Symlink(script, h.Systemctl))
	}
	return doctor.Run(h.t.Context(), h.Host)
}

func (h *host) unit(name string, more ...string) {
	h.units[name] += strings.Join(more, "\n") + "\n"
}

func findings(r doctor.Report, check string) (out []doctor.Finding) {
	for _, f := range r.Findings {
		if f.Check == check {
			out = append(out, f)
		}
	}
	return out
}

func TestAHealthyHostHasNoFault(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	token := keys.NewSecret(identity.KindConnector.TokenPrefix())
	h.Token = func() (string, error) { return token + "\n", nil }
	h.stands(hostagent.StandingActive, member)
	r := h.examine()
	require.True(t, r.Healthy)
	var seen []string
	for _, f := range r.Findings {
		require.Equal(t, doctor.OK, f.Level, "%+v", f)
		require.Empty(t, f.Do)
		require.NotContains(t, f.Found, token)
		if len(seen) == 0 || seen[len(seen)-1] != f.Check {
			seen = append(seen, f.Check)
		}
	}
	require.Equal(t, doctor.Names(), seen, "in the order in which a person would look")
	require.Len(t, findings(r, "port"), 4, "enrollment, control plane, SPIRE server, own listener")
}

// TestASPIREServerOnTheHostItself is what a controller that did not know its own
// address once left in host.json.
func TestASPIREServerOnTheHostItself(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.ControllerAddr = "255.255.255.255:8443" // of no host, so that nothing answers
	found := findings(h.examine(), "port")
	require.Len(t, found, 4)
	require.Equal(t, doctor.Fault, found[2].Level)
	require.Contains(t, found[2].Found, "is an address of this host itself")
	require.Contains(t, found[2].Do, "set public_address on the controller")
}

// TestEachFaultIsFound causes each fault, and asserts what doctor says to do.
func TestEachFaultIsFound(t *testing.T) {
	t.Parallel()
	const fault, warning, skipped = doctor.Fault, doctor.Warning, doctor.Skipped
	for name, c := range map[string]struct {
		breakIt   func(*host)
		check     string
		level     doctor.Level
		found, do string
	}{
		"no conf file":        {func(h *host) { require.NoError(h.t, os.Remove(h.Conf)) }, "conf", fault, "does not exist", "enroll this host"},
		"a wrong conf file":   {func(h *host) { h.ConfFault = errors.New("LISTEN_ADDR: must be host:port") }, "conf", fault, "LISTEN_ADDR", "check-config --config "},
		"a conf file for all": {func(h *host) { require.NoError(h.t, os.Chmod(h.Conf, 0o666)) }, "conf", fault, "can be changed by every user", "chmod 0644"},
		"a line in the agent's conf that systemd drops": {func(h *host) {
			h.AgentConf = filepath.Join(h.t.TempDir(), "agent.conf")
			require.NoError(h.t, os.WriteFile(h.AgentConf, []byte("# x\nexport LOG_LEVEL=debug\n"), 0o600))
		}, "conf", fault, "agent.conf: line 2 begins with `export`", "systemctl restart spire-agent"},
		"no unit":       {func(h *host) { delete(h.units, "grpcconnector.service") }, "unit", fault, "does not exist", "install it"},
		"a masked unit": {func(h *host) { h.unit("grpcconnector.service", "LoadState=masked") }, "unit", fault, "is masked", "systemctl unmask grpcconnector.service"},
		"a broken unit": {func(h *host) { h.unit("grpcconnector.service", "LoadState=bad-setting") }, "unit", fault, "bad-setting", "systemctl status grpcconnector.service"},
		"a unit that crashes": {func(h *host) {
			h.unit("grpcconnector.service", "ActiveState=activating", "SubState=auto-restart", "Result=exit-code", "NRestarts=7")
		}, "unit", fault, "result exit-code, restarts 7", "journalctl -u grpcconnector.service"},
		"a unit that failed":       {func(h *host) { h.unit("grpcconnector.service", "ActiveState=failed", "SubState=failed") }, "unit", fault, "keeps exiting", "journalctl"},
		"a unit that is stopped":   {func(h *host) { h.unit("grpcconnector.service", "ActiveState=inactive", "SubState=dead") }, "unit", fault, "is inactive (dead)", "systemctl enable --now grpcconnector.service"},
		"a unit that starts":       {func(h *host) { h.unit("grpcconnector.service", "ActiveState=activating", "SubState=start") }, "unit", warning, "still starting", "journalctl"},
		"a unit that restarted":    {func(h *host) { h.unit("grpcconnector.service", "NRestarts=12") }, "unit", warning, "after 12 restarts", "journalctl"},
		"a disabled unit":          {func(h *host) { h.unit("grpcconnector.service", "UnitFileState=disabled") }, "unit", warning, "after a reboot", "systemctl enable grpcconnector.service"},
		"no systemd":               {func(h *host) { h.Systemctl = "" }, "unit", fault, "does not run systemd", "--no-systemd"},
		"an agent that is stopped": {func(h *host) { h.unit("spire-agent.service", "ActiveState=inactive", "SubState=dead") }, "agent_unit", fault, "spire-agent.service is inactive", "systemctl enable --now spire-agent.service"},
		"an agent of a host that never enrolled": {
			func(h *host) {
				h.unit("spire-agent.service", "ActiveState=inactive", "SubState=dead", "ConditionResult=no")
			}, "agent_unit", fault, "one of its conditions is not met", "enroll this host",
		},
		"a program that does not run":    {func(h *host) { h.asking = errors.New("connection refused") }, "program", fault, "does not answer", "systemctl enable --now grpcconnector.service"},
		"another program at its address": {func(h *host) { h.asking = fmt.Errorf("%w: x", hostprogram.ErrOther) }, "program", fault, "another program answers", "HEALTH_ADDR"},
		"an old program that still runs": {func(h *host) { h.doc.Version = "v0" }, "program", warning, "version v0 runs (pid 42), and v1", "systemctl restart"},
		"no socket":                      {func(h *host) { h.agent.Stop() }, "socket", fault, "does not exist", "systemctl enable --now spire-agent.service"},
		"a file that is no socket":       {func(h *host) { h.Socket = h.write("file", "", 0o777) }, "socket", fault, "is not a socket", "SPIFFE_ENDPOINT_SOCKET"},
		"a socket that is closed to the program": {func(h *host) {
			h.doc.Process.UID = 54321
			require.NoError(h.t, os.Chmod(h.Socket, 0o700))
		}, "socket", fault, "the program's user cannot write to", "chmod 0777"},
		"a directory that is closed to the program": {func(h *host) {
			h.asking = errors.New("does not run: its unit has a user of its own")
			require.NoError(h.t, os.Chmod(h.path("public"), 0o700))
		}, "socket", fault, "cannot enter", "RuntimeDirectoryMode=0755"},
		"an agent that hangs": {func(h *host) { h.Socket = silentSocket(h.t, h.dir) }, "socket", fault, "does not answer", "journalctl -u spire-agent.service"},
		"the wrong unit":      {func(h *host) { h.doc.Process.Unit = "session-3.scope" }, "workload", fault, "enrolled to run as grpcconnector.service, and runs as session-3.scope", "stop it (pid 42)"},
		"no unit at all":      {func(h *host) { h.doc.Process.Unit = "" }, "workload", fault, "outside of any unit", "systemctl enable --now grpcconnector.service"},
		"the wrong user":      {func(h *host) { h.EnrolledAs = "uid:54321" }, "workload", fault, "enrolled to run as user 54321", "--run-as "},
		"the wrong binary":    {func(h *host) { h.doc.Process.Binary = "/tmp/grpcconnector" }, "workload", fault, "and runs /tmp/grpcconnector", "start /"},
		"a replaced binary":   {func(h *host) { h.doc.Process.Binary += " (deleted)" }, "workload", warning, "was replaced while it runs", "systemctl restart"},
		"an old conf file":    {func(h *host) { h.EnrolledAs = "" }, "workload", skipped, "ENROLLED_AS", ""},
		"no identity": {func(h *host) {
			h.doc.SVID, h.doc.Checks[0] = nil, health.Check{Name: "identity", Detail: "waiting for the first X509-SVID"}
		}, "identity", fault, "waiting for the first", "SPIRE has no registration entry for this process"},
		"an identity that is not renewed": {func(h *host) {
			h.doc.Checks[0] = health.Check{Name: "identity", Degraded: true, Detail: "Workload API fails"}
		}, "identity", warning, "Workload API fails", "valid until it expires"},
		"an identity that has expired":             {func(h *host) { h.doc.Checks[0] = health.Check{Name: "identity", Detail: "the X509-SVID expired at"} }, "identity", fault, "expired at", "clock below"},
		"a check that is degraded":                 {func(h *host) { h.doc.Checks[1] = health.Check{Name: "state_dir", Degraded: true, Detail: "disk full"} }, "readiness", warning, "state_dir: disk full", "free space"},
		"no control stream":                        {func(h *host) { h.doc.Checks[1] = health.Check{Name: "control_stream", Detail: "not connected"} }, "readiness", fault, "control_stream: not connected", "see port, trust and clock"},
		"a name that does not resolve":             {func(h *host) { h.ControllerAddr, h.Lookup = "controller.invalid:8443", net.DefaultResolver.LookupHost }, "dns", fault, "controller.invalid does not resolve", "getent hosts controller.invalid"},
		"a closed control plane":                   {func(h *host) { h.ControlPlane = []string{hosttest.Address(h.t)} }, "port", fault, "control plane of the controller: dial tcp", "nothing listens there"},
		"a closed own listener":                    {func(h *host) { h.doc.Listen = hosttest.Address(h.t) }, "port", fault, "listener of this connector", "nothing listens there"},
		"a CA file that is missing":                {func(h *host) { h.ControllerCAPath = h.path("none") }, "trust", fault, "does not exist", "grpccontroller bootstrap-ca"},
		"a leaf in place of the CA":                {func(h *host) { h.ControllerCAPath = h.path("host/host.crt") }, "trust", fault, "is not a CA certificate", "grpccontroller bootstrap-ca"},
		"the wrong CA":                             {func(h *host) { h.ControllerCAPath = h.write("other.crt", string(mtlstest.NewCA(h.t, td).PEM()), 0o644) }, "trust", fault, "did not sign", "grpccontroller bootstrap-ca"},
		"a CA that has expired":                    {func(h *host) { h.Now = in(48 * time.Hour) }, "trust", fault, "is valid from", "the CA was replaced"},
		"a listener whose certificate has expired": {func(h *host) { h.ControllerAddr = h.listener("enroll."+td.Name(), mtlstest.Expired()) }, "trust", fault, "is valid from", "restart the controller"},
		"a controller of another trust domain":     {func(h *host) { h.ControllerAddr = h.listener("enroll.other.internal") }, "trust", fault, "is for enroll.other.internal, and not for enroll.mycorp.internal", "TRUST_DOMAIN"},
		"a listener without TLS":                   {func(h *host) { h.ControllerAddr = hello(h.t) }, "trust", fault, "does not speak TLS", "8443"},
		"a clock that is 30 s ahead":               {func(h *host) { h.Now = in(30 * time.Second) }, "clock", warning, "ahead of the controller's", "timedatectl"},
		"a clock that is 5 min behind":             {func(h *host) { h.Now = in(-5 * time.Minute) }, "clock", fault, "behind the controller's", "timedatectl"},
		"no verified connection":                   {func(h *host) { h.ControllerAddr = hosttest.Address(h.t) }, "clock", skipped, "no verified connection", ""},
		"no token":                                 {func(*host) {}, "token", skipped, "--token-file", ""},
		"a token with a typing mistake":            {func(h *host) { h.given(swap(keys.NewSecret("ztc_"))) }, "token", fault, "has a typing mistake", "copy it again"},
		"a token that was cut":                     {func(h *host) { h.given(keys.NewSecret("ztc_")[:30]) }, "token", fault, "wrong length", "copy it again"},
		"a tunneler's token":                       {func(h *host) { h.given(keys.NewSecret("ztt_")) }, "token", fault, "is for a tunneler", "grpctunneler"},
		"a token that is no token":                 {func(h *host) { h.given("hunter2") }, "token", fault, "wrong prefix", "copy it again"},
		"a token that was left":                    {func(h *host) { h.write("enrollment-token", "x", 0o600) }, "leftover_token", warning, "is still there", "rm -f"},
		"a host that is not enrolled":              {func(h *host) { require.NoError(h.t, os.Remove(h.Dir.HostFile())) }, "host_certificate", fault, "is not enrolled", "enroll --help"},
		"a host key for all":                       {func(h *host) { require.NoError(h.t, os.Chmod(h.Dir.Key(), 0o640)) }, "host_certificate", fault, "may read the host key", "chmod 0600"},
		"no host certificate":                      {func(h *host) { require.NoError(h.t, os.Remove(h.Dir.Certificate())) }, "host_certificate", fault, "holds no certificate", "--new-host"},
		"another host's certificate":               {func(h *host) { other := newHost(h.t); h.copy(other, "host/host.crt") }, "host_certificate", fault, "and host.json of", "--new-host"},
		"a host certificate of another CA":         {func(h *host) { other := newHost(h.t); h.copy(other, "host/host.crt"); h.copy(other, "host/host.json") }, "host_certificate", fault, "unknown authority", "--new-host"},
		"a bundle of long ago":                     {func(h *host) { h.Now = in(48 * time.Hour) }, "bundle", fault, "has expired, or is not valid yet", "refresh-bundle"},
		"an empty bundle":                          {func(h *host) { h.write("host/bundle.pem", "", 0o644) }, "bundle", fault, "holds no authority", "refresh-bundle"},
		"no state directory":                       {func(h *host) { h.doc.StateDir = "" }, "state_dir", warning, "nothing is stored on disk", "write STATE_DIR=/a/directory/of/its/own into "},
		"a state directory that is gone":           {func(h *host) { require.NoError(h.t, os.RemoveAll(h.StateDir)) }, "state_dir", warning, "does not exist", "start the program"},
		"a state directory of another user":        {func(h *host) { h.doc.Process.UID = 54321 }, "state_dir", fault, "cannot write to it", "chown it to user 54321"},
		"a file as state directory":                {func(h *host) { h.doc.StateDir = h.Conf }, "state_dir", fault, "is not a directory", "the configured path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			c.breakIt(h)
			r := h.examine()
			got := findings(r, c.check)
			i := 0
			for i < len(got)-1 && got[i].Level != c.level {
				i++
			}
			require.Equal(t, c.level, got[i].Level, "%+v", got)
			require.Contains(t, got[i].Found, c.found)
			require.Contains(t, got[i].Do, c.do)
			require.Equal(t, c.do == "", got[i].Do == "")
			if c.level == fault {
				require.False(t, r.Healthy)
			}
		})
	}
}

// TestTheWrongCAIsShownByFingerprint, so that a person can compare.
func TestTheWrongCAIsShownByFingerprint(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	other := mtlstest.NewCA(t, td)
	h.ControllerCAPath = h.write("other.crt", string(other.PEM()), 0o644)
	got := findings(h.examine(), "trust")[0]
	require.Len(t, strings.Split(got.Found, "SHA-256 "), 3, "what is shown and what was expected: %s", got.Found)
	require.NotContains(t, got.Found, "…", "not cut")
	require.Contains(t, got.Found, fingerprintOf(other))
}

// inChild is the host directory that this test binary looks at as another user.
const inChild = "DOCTOR_TEST_HOST_DIR"

// TestWhatOnlyRootSeesIsSkipped looks at the files of a host as a user that may not
// read them, which root can only do in a process of its own.
func TestWhatOnlyRootSeesIsSkipped(t *testing.T) {
	if dir := os.Getenv(inChild); dir != "" {
		h := doctor.Host{Program: "grpcconnector", Kind: identity.KindConnector, Dir: hostagent.Dir{Root: dir}, ControllerCAPath: filepath.Join(dir, "controller-ca.crt"), TrustDomain: td.Name()}
		h.Now = time.Now
		h.Ask = func(context.Context) (hostprogram.Document, error) {
			return hostprogram.Document{}, errors.New("does not run")
		}
		require.NoError(t, json.NewEncoder(os.Stdout).Encode(doctor.Run(t.Context(), h)))
		return
	}
	t.Parallel()
	h := newHost(t)
	require.NoError(t, os.Chmod(h.Dir.Root, 0o700))
	require.NoError(t, os.Link(h.EnrolledBinary, h.path("doctor.test"))) // whose directory is closed to others
	cmd := exec.CommandContext(t.Context(), h.path("doctor.test"), "-test.run=^TestWhatOnlyRootSeesIsSkipped$")
	cmd.Env, cmd.Dir = []string{inChild + "=" + h.Dir.Root}, "/"
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
	} else {
		require.NoError(t, os.Chmod(h.Dir.Root, 0)) // closed to its owner too
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, "%s%s", out, &said)
	var r doctor.Report
	require.NoError(t, json.NewDecoder(bytes.NewReader(out)).Decode(&r))
	for _, check := range []string{"trust", "host_certificate", "bundle"} {
		got := findings(r, check)[0]
		require.Equal(t, doctor.Skipped, got.Level, "%+v", got)
		require.Contains(t, got.Found, "run doctor as root")
	}
}

func in(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

func (h *host) given(token string) {
	h.Token = func() (string, error) { return token, nil }
}

func (h *host) copy(from *host, name string) {
	raw, err := os.ReadFile(from.path(name))
	require.NoError(h.t, err)
	h.write(name, string(raw), 0o600)
}

// swap exchanges two neighbours of a token that differ.
func swap(token string) string {
	b := []byte(token)
	for i := 6; i < len(b); i++ {
		if b[i] != b[i-1] {
			b[i], b[i-1] = b[i-1], b[i]
			break
		}
	}
	return string(b)
}

// silentSocket accepts and says nothing.
func silentSocket(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "silent.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o777))
	accept(t, l, func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<10)); _, _ = c.Read(make([]byte, 1<<10)) })
	return path
}

// hello is a listener that greets, as SSH or SMTP do.
func hello(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accept(t, l, func(c net.Conn) {
		_, _ = c.Write([]byte("220 hello, this is no TLS\r\n"))
		_, _ = c.Read(make([]byte, 1<<10))
	})
	return l.Addr().String()
}

func fingerprintOf(ca *mtlstest.CA) string {
	sum := sha256.Sum256(ca.Authority().Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}
