package hostprogram

import (
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
)

// controlPlanePort is where a controller's control plane is when only its
// enrollment listener is known.
const controlPlanePort = "8444"

// Defaults that users and units rely on.
const (
	DefaultHostDir     = "/var/lib/spire-agent"
	DefaultSocket      = "unix:///run/spire-agent/public/api.sock"
	DefaultTrustDomain = "mycorp.internal"
)

// Settings is the part of its configuration that each program has. It is embedded in the
// program's own, and its keys are those of the conf file.
type Settings struct {
	ControllerAddr    string         `conf:"controller_addr" usage:"enrollment listener of the controller, host:port"`
	ControlPlaneAddrs []string       `conf:"control_plane_addrs" usage:"control plane of the controllers, host:port each (default port 8444 of CONTROLLER_ADDR)"`
	ControllerCAPath  string         `conf:"controller_ca_path" usage:"the controller's ca.crt; used by enroll, not by run" is:"path"`
	TrustDomain       string         `conf:"trust_domain" usage:"SPIFFE trust domain"`
	SpiffeSocket      string         `conf:"spiffe_endpoint_socket" usage:"Workload API of the SPIRE agent"`
	HostDir           string         `conf:"host_dir" usage:"directory of the host's key, certificate and bundle" is:"path"`
	StateDir          string         `conf:"state_dir" usage:"directory for state that survives a restart (the unit uses /var/lib/ and the name of the program); without it, state is in memory only" is:"path"`
	HealthAddr        string         `conf:"health_addr" usage:"loopback address of /livez and /readyz, host:port" is:"listener"`
	EnrolledAs        string         `conf:"enrolled_as" usage:"systemd:UNIT or uid:NUMBER that SPIRE attests the program by; written by enroll, used by doctor"`
	EnrolledBinary    string         `conf:"enrolled_binary" usage:"binary that SPIRE attests the program by; written by enroll, used by doctor"`
	HealthRemote      bool           `conf:"health_remote" usage:"allow health_addr beyond loopback: it has no authentication, so only for a container on a closed network"`
	Log               logging.Config `conf:"log"`
}

// IdentityBudget is what check-config says of an outage of controller and SPIRE
// together: the figures are the controller's to configure.
const IdentityBudget = `                 without SPIRE too, a session ends with the SVID of either end (half to whole
                 svid_ttl, and 30 s; by default a connector's after 3m to 5m30s)
`

// Spec is where a program of a host reads its configuration: enroll wrote that file.
func Spec(conf string) settings.Spec {
	return settings.Spec{
		Format: settings.EnvFile, File: conf,
		Absent: "if this host is enrolled, name its conf file with --config; if not, enroll it, which writes this file",
	}
}

// DefaultSettings listens for health checks on the given loopback port.
func DefaultSettings(healthPort string) Settings {
	return Settings{
		TrustDomain: DefaultTrustDomain, SpiffeSocket: DefaultSocket, HostDir: DefaultHostDir,
		HealthAddr: net.JoinHostPort("127.0.0.1", healthPort), Log: logging.DefaultConfig(),
	}
}

// Check adds the faults of the shared keys.
func (s *Settings) Check(f *settings.Faults) {
	if s.ControllerAddr != "" {
		RequireAddress(f, "controller_addr", s.ControllerAddr)
	}
	f.Require(s.ControllerAddr != "" || len(s.ControlPlaneAddrs) > 0, "control_plane_addrs",
		"is missing, and so is CONTROLLER_ADDR: set the controller's host:port, or enroll this host")
	for _, a := range s.ControlPlaneAddrs {
		RequireAddress(f, "control_plane_addrs", a)
	}
	if _, err := spiffeid.TrustDomainFromString(s.TrustDomain); err != nil {
		f.Add("trust_domain", "%v", err)
	}
	CheckSocket(f, "spiffe_endpoint_socket", s.SpiffeSocket)
	f.Require(filepath.IsAbs(s.HostDir), "host_dir", "must be an absolute path, is %q", s.HostDir)
	f.Require(s.ControllerCAPath == "" || filepath.IsAbs(s.ControllerCAPath), "controller_ca_path", "must be an absolute path, is %q", s.ControllerCAPath)
	f.Require(s.StateDir == "" || filepath.IsAbs(s.StateDir), "state_dir", "must be an absolute path, is %q", s.StateDir)
	f.Require(settings.IsListener(s.HealthAddr), "health_addr", "must be host:port, is %q", s.HealthAddr)
	f.Require(s.HealthRemote || !settings.IsListener(s.HealthAddr) || settings.IsLoopback(s.HealthAddr), "health_addr",
		"must be a loopback address such as 127.0.0.1:9465 unless HEALTH_REMOTE is set, is %q", s.HealthAddr)
	f.In("log", s.Log.Validate())
}

// RequireAddress notes a fault unless value is an address to dial.
func RequireAddress(f *settings.Faults, path, value string) {
	f.Require(wire.HostPort(value) && !strings.ContainsAny(value, ", "), path, "must be host:port with one host and a port of 1 to 65535, is %q", value)
}

// CheckSocket notes a fault unless value names a socket that a program can dial.
func CheckSocket(f *settings.Faults, path, value string) {
	socket, err := mtls.SocketPath(value)
	if err == nil {
		err = conf.CheckSocketPath(socket)
	}
	if err != nil {
		f.Add(path, "%v", err)
	}
}

// ControlPlane returns the configured addresses or the default one.
func (s *Settings) ControlPlane() []string {
	if len(s.ControlPlaneAddrs) > 0 {
		return s.ControlPlaneAddrs
	}
	return SameHost(s.ControllerAddr, nil)
}

// ControlAddresses are those of ControlPlane and, after them, the same ports on the
// host of CONTROLLER_ADDR: enrollment wrote CONTROL_PLANE_ADDRS as the controller sent
// it, and CONTROLLER_ADDR as the operator did.
func (s *Settings) ControlAddresses() []string {
	out := slices.Clone(s.ControlPlane())
	for _, a := range SameHost(s.ControllerAddr, s.ControlPlaneAddrs) {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// SameHost are the ports of the addresses, or the usual one of the control plane, on the
// host of another address.
func SameHost(address string, ports []string) (out []string) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil
	}
	for _, a := range ports {
		if _, port, err := net.SplitHostPort(a); err == nil && !slices.Contains(out, net.JoinHostPort(host, port)) {
			out = append(out, net.JoinHostPort(host, port))
		}
	}
	if len(out) == 0 {
		out = append(out, net.JoinHostPort(host, controlPlanePort))
	}
	return out
}

// SPIFFEIDOf is the workload's SPIFFE ID as text, empty where there is none.
func (s *Settings) SPIFFEIDOf(w identity.Workload) string {
	td, err := spiffeid.TrustDomainFromString(s.TrustDomain)
	if err != nil {
		return ""
	}
	id, err := w.SPIFFEID(td)
	if err != nil {
		return ""
	}
	return id.String()
}
