package conf

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// rebootstrapDelay is how long an agent that sees an unknown server certificate
// waits until it reads its bundle file again. SPIRE's default is ten minutes.
const rebootstrapDelay = 5 * time.Second

// Agent is the configuration of a spire-agent. Exactly one way to attest is set:
// X509POP, or JoinTokenFile (ephemeral hosts).
type Agent struct {
	TrustDomain   spiffeid.TrustDomain
	ServerAddress string // host name or IP address
	ServerPort    int
	SocketPath    string // Workload API, under 100 bytes
	DataDir       string
	BundlePath    string // PEM; the agent never starts without one
	LogLevel      string // empty means info

	X509POP       *X509POP
	JoinTokenFile string

	// Systemd adds the systemd attestor; set it where systemd runs (see
	// SystemdRuns). Without D-Bus, or for a user who may not ask it, that attestor only logs errors.
	Systemd bool

	// SyncInterval overrides how often the agent asks for changes; 0 means SPIRE's 5 s.
	SyncInterval time.Duration

	// MetricsPort is where Prometheus finds the agent's metrics, on loopback; 0 means
	// nowhere.
	MetricsPort int
}

// X509POP is the host key and host certificate, as PEM files.
type X509POP struct {
	PrivateKeyPath  string
	CertificatePath string
}

// Validate returns all faults at once.
func (a Agent) Validate() error {
	errs := []error{
		checkTrustDomain(a.TrustDomain), checkPort("server port", a.ServerPort), CheckSocketPath(a.SocketPath),
		checkPath("data directory", a.DataDir), checkPath("trust bundle path", a.BundlePath), checkLogLevel(a.LogLevel),
		CheckMetricsPort(a.MetricsPort),
	}
	if a.ServerAddress == "" || strings.ContainsAny(a.ServerAddress, "/ \t\r\n") {
		errs = append(errs, fmt.Errorf("server address %q is not a host name or IP address", a.ServerAddress))
	}
	switch {
	case (a.X509POP == nil) == (a.JoinTokenFile == ""):
		errs = append(errs, errors.New("exactly one of x509pop and join token file must be set"))
	case a.X509POP != nil:
		errs = append(errs, checkPath("host key path", a.X509POP.PrivateKeyPath), checkPath("host certificate path", a.X509POP.CertificatePath))
	default:
		errs = append(errs, checkPath("join token file", a.JoinTokenFile))
	}
	if a.SyncInterval < 0 {
		errs = append(errs, errors.New("sync interval is negative"))
	}
	return errors.Join(errs...)
}

// Render returns agent.conf.
func (a Agent) Render() ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, fmt.Errorf("spire-agent configuration: %w", err)
	}
	w := &writer{}
	w.block("agent", "", func() { a.section(w) })
	w.block("plugins", "", func() { a.plugins(w) })
	w.telemetry(a.MetricsPort)
	return w.bytes(), nil
}

func (a Agent) section(w *writer) {
	w.str("trust_domain", a.TrustDomain.Name())
	w.str("server_address", a.ServerAddress)
	w.number("server_port", a.ServerPort)
	w.str("socket_path", a.SocketPath)
	w.str("data_dir", a.DataDir)
	w.str("trust_bundle_path", a.BundlePath)
	w.str("trust_bundle_format", "pem")
	w.str("log_format", "json")
	w.str("log_level", logLevel(a.LogLevel))
	if a.JoinTokenFile != "" {
		// A spent join token cannot attest again; SPIRE refuses any other mode.
		w.str("join_token_file", a.JoinTokenFile)
		w.str("rebootstrap_mode", "never")
	} else {
		w.str("rebootstrap_mode", "always")
		w.duration("rebootstrap_delay", rebootstrapDelay)
	}
	if a.SyncInterval > 0 {
		w.block("experimental", "", func() { w.duration("sync_interval", a.SyncInterval) })
	}
}

func (a Agent) plugins(w *writer) {
	// In memory: a stolen disk holds no agent key, and a restart re-attests.
	w.plugin("KeyManager", "memory", none)
	if a.X509POP != nil {
		w.plugin("NodeAttestor", "x509pop", func() {
			w.str("private_key_path", a.X509POP.PrivateKeyPath)
			w.str("certificate_path", a.X509POP.CertificatePath)
		})
	} else {
		w.plugin("NodeAttestor", "join_token", none)
	}
	w.plugin("WorkloadAttestor", "unix", func() {
		w.boolean("discover_workload_path", true)
		// No entry of ours asks for the hash of a program, which takes longer than all the rest.
		w.number("workload_size_limit", -1)
	})
	if a.Systemd {
		w.plugin("WorkloadAttestor", "systemd", none)
	}
}

func logLevel(level string) string {
	if level == "" {
		return "info"
	}
	return level
}
