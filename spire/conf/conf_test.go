package conf_test

import (
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

var update = flag.Bool("update", false, "write the golden files")

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

func agent() conf.Agent {
	return conf.Agent{
		TrustDomain: td, ServerAddress: "spire.mycorp.internal", ServerPort: 8081,
		SocketPath: "/run/spire-agent/public/api.sock", DataDir: "/var/lib/spire-agent/data", BundlePath: "/var/lib/spire-agent/bundle.pem",
		X509POP: &conf.X509POP{PrivateKeyPath: "/var/lib/spire-agent/host.key", CertificatePath: "/var/lib/spire-agent/host.crt"},
	}
}

func server() conf.Server {
	return conf.Server{
		TrustDomain: td, BindAddress: "0.0.0.0", BindPort: 8081, SocketPath: "/run/grpccontroller/spire.sock",
		DataDir: "/var/lib/grpccontroller/spire", CATTL: 24 * time.Hour, X509SVIDTTL: time.Hour, AgentTTL: time.Hour,
		HostCAPaths: []string{"/var/lib/grpccontroller/bootstrap-ca.pem", "/var/lib/grpccontroller/bootstrap-ca-next.pem"},
	}
}

func ephemeral() conf.Agent {
	a := agent()
	a.X509POP, a.JoinTokenFile, a.LogLevel, a.SyncInterval = nil, "/run/join-token", "debug", time.Second
	return a
}

func withEverything() (conf.Agent, conf.Server) {
	a, s := agent(), server()
	a.Systemd, a.MetricsPort = true, 9469
	s.UnlimitedAttestation, s.HealthAddress, s.MetricsPort = true, "127.0.0.1:9470", 9467
	return a, s
}

type renderer interface{ Render() ([]byte, error) }

func cases() map[string]renderer {
	a, s := withEverything()
	return map[string]renderer{
		"agent-x509pop": agent(), "agent-ephemeral": ephemeral(), "agent-systemd": a,
		"server": server(), "server-with-options": s,
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	for name, c := range cases() {
		t.Run("is as in testdata/"+name+".conf", func(t *testing.T) {
			t.Parallel()
			got, err := c.Render()
			require.NoError(t, err)
			path := filepath.Join("testdata", name+".conf")
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
		t.Run("is accepted by SPIRE: "+name, func(t *testing.T) {
			t.Parallel()
			validate(t, c, strings.SplitN(name, "-", 2)[0])
		})
	}
}

// validate lets the real program check the file, unknown keys included. It opens
// the join token and the host CAs, so those have to exist.
func validate(t *testing.T, c renderer, kind string) {
	t.Helper()
	if a, ok := c.(conf.Agent); ok && a.JoinTokenFile != "" {
		a.JoinTokenFile = filepath.Join(t.TempDir(), "join-token")
		require.NoError(t, os.WriteFile(a.JoinTokenFile, []byte("token"), 0o600))
		c = a
	}
	if s, ok := c.(conf.Server); ok {
		s.HostCAPaths = []string{filepath.Join(t.TempDir(), "ca.pem")}
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: spiretest.NewHostCA(t).Certificate.Raw})
		require.NoError(t, os.WriteFile(s.HostCAPaths[0], ca, 0o600))
		c = s
	}
	conf, err := c.Render()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "spire.conf")
	require.NoError(t, os.WriteFile(path, conf, 0o600))
	out, err := exec.CommandContext(t.Context(), spiretest.Binary(t, "spire-"+kind), "validate", "-config", path).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "Unknown configuration")
}

func TestQuotesWhatItIsGiven(t *testing.T) {
	t.Parallel()
	for _, odd := range hostile {
		t.Run(fmt.Sprintf("%q", odd), func(t *testing.T) {
			t.Parallel()
			requireRoundTrip(t, odd)
		})
	}
}

// hostile holds what would end a string, start an interpolation or add a setting.
var hostile = []string{
	`"`, `\`, `\\"`, "\n", "\r\n", "${", "${\"", "$${x}", "{", "}", "${file(\"/etc/passwd\")}", "#", "//", "/*", "<<EOF\nx\nEOF",
	"\"\n  insecure_bootstrap = true\n  x = \"", "\xff\xfe", "\x7f\x1b", "päth/日本/🔥", "\\u0022", "\\x22", "$", "$HOME", "%", "\u2028", "\x80a", "é0", "\x01f",
}

// requireRoundTrip reads the rendered file with the parser that SPIRE uses.
func requireRoundTrip(t *testing.T, odd string) {
	t.Helper()
	a := agent()
	a.DataDir = "/" + odd
	a.X509POP.PrivateKeyPath = "/" + odd
	conf, err := a.Render()
	require.NoError(t, err)
	var got struct {
		Agent   map[string]any `hcl:"agent"`
		Plugins struct {
			NodeAttestor map[string]struct {
				Data map[string]any `hcl:"plugin_data"`
			} `hcl:"NodeAttestor"`
		} `hcl:"plugins"`
	}
	require.NoError(t, hcl.Decode(&got, string(conf)))
	require.Equal(t, a.DataDir, got.Agent["data_dir"])
	require.Len(t, got.Agent, 11, "a setting came or went")
	require.Equal(t, map[string]any{
		"private_key_path": a.X509POP.PrivateKeyPath, "certificate_path": a.X509POP.CertificatePath,
	}, got.Plugins.NodeAttestor["x509pop"].Data)
}

func FuzzRender(f *testing.F) {
	for _, odd := range hostile {
		f.Add(odd)
	}
	f.Fuzz(func(t *testing.T, odd string) {
		if strings.ContainsRune(odd, 0) {
			return // refused
		}
		requireRoundTrip(t, odd)
	})
}

func TestAgentRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*conf.Agent){
		"no trust domain":          func(a *conf.Agent) { a.TrustDomain = spiffeid.TrustDomain{} },
		"no server":                func(a *conf.Agent) { a.ServerAddress = "" },
		"a URL as server":          func(a *conf.Agent) { a.ServerAddress = "https://a/b" },
		"port 0":                   func(a *conf.Agent) { a.ServerPort = 0 },
		"port 65536":               func(a *conf.Agent) { a.ServerPort = 65536 },
		"a socket of 100 bytes":    func(a *conf.Agent) { a.SocketPath = "/" + strings.Repeat("s", 99) },
		"a relative socket":        func(a *conf.Agent) { a.SocketPath = "api.sock" },
		"a relative directory":     func(a *conf.Agent) { a.DataDir = "data" },
		"a zero byte in a path":    func(a *conf.Agent) { a.DataDir = "/a\x00b" },
		"no bundle":                func(a *conf.Agent) { a.BundlePath = "" },
		"no way to attest":         func(a *conf.Agent) { a.X509POP = nil },
		"two ways to attest":       func(a *conf.Agent) { a.JoinTokenFile = "/x" },
		"no host key":              func(a *conf.Agent) { a.X509POP.PrivateKeyPath = "" },
		"an unknown log level":     func(a *conf.Agent) { a.LogLevel = "loud" },
		"a negative sync interval": func(a *conf.Agent) { a.SyncInterval = -1 },
		"a negative metrics port":  func(a *conf.Agent) { a.MetricsPort = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := agent()
			change(&a)
			_, err := a.Render()
			require.Error(t, err)
		})
	}
	t.Run("and says how long a socket path may be", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, conf.CheckSocketPath("/"+strings.Repeat("s", 98)))
		require.ErrorContains(t, conf.CheckSocketPath("/"+strings.Repeat("s", 99)), "the limit is 99")
	})
}

func TestServerRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*conf.Server){
		"no trust domain":        func(s *conf.Server) { s.TrustDomain = spiffeid.TrustDomain{} },
		"a host name to bind":    func(s *conf.Server) { s.BindAddress = "localhost" },
		"port 0":                 func(s *conf.Server) { s.BindPort = 0 },
		"a long socket":          func(s *conf.Server) { s.SocketPath = "/" + strings.Repeat("s", 200) },
		"no CA TTL":              func(s *conf.Server) { s.CATTL = 0 },
		"no SVID TTL":            func(s *conf.Server) { s.X509SVIDTTL = 0 },
		"a negative agent TTL":   func(s *conf.Server) { s.AgentTTL = -time.Second },
		"no host CA":             func(s *conf.Server) { s.HostCAPaths = nil },
		"a relative host CA":     func(s *conf.Server) { s.HostCAPaths = []string{"ca.pem"} },
		"a query in the data":    func(s *conf.Server) { s.DataDir = "/a?_journal_mode=OFF" },
		"a health address alone": func(s *conf.Server) { s.HealthAddress = "127.0.0.1" },
		"health on port x":       func(s *conf.Server) { s.HealthAddress = "127.0.0.1:x" },
		"metrics on port 65536":  func(s *conf.Server) { s.MetricsPort = 65536 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server()
			change(&s)
			_, err := s.Render()
			require.Error(t, err)
		})
	}
}

func TestServerAttestsByOurPathTemplate(t *testing.T) {
	t.Parallel()
	conf, err := server().Render()
	require.NoError(t, err)
	var got struct {
		Plugins struct {
			NodeAttestor map[string]struct {
				Data map[string]any `hcl:"plugin_data"`
			} `hcl:"NodeAttestor"`
		} `hcl:"plugins"`
	}
	require.NoError(t, hcl.Decode(&got, string(conf)))
	require.Equal(t, identity.AgentPathTemplate, got.Plugins.NodeAttestor["x509pop"].Data["agent_path_template"])
}
