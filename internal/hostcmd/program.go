package hostcmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// Program is what differs between the connector and the tunneler.
type Program struct {
	// Name of the binary, "grpcconnector" or "grpctunneler".
	Name string
	Kind identity.Kind
	// Conf is the default path of the conf file.
	Conf string
	// State is the state directory that the program's unit gives to it.
	State string
	// Directory takes the first directory of a tunneler, for the state directory
	// of a program that will run as uid. Optional.
	Directory func(stateDir string, uid int, d *zerotrustv1.Directory) error
	// Forget drops what the program keeps of its controller in its state directory,
	// when this host is enrolled: policy or directory, and what it witnessed too if
	// another controller enrolled it. Denials stay. Optional.
	Forget func(stateDir string, otherController bool) error
	// Run makes a reader of the configuration of the run command.
	Run func() RunSettings
	// Systemd is that of this host; a test has another.
	Systemd func() Systemd
}

// unit is the one that a package or the installer brings.
func (p Program) unit() string { return p.Name + ".service" }

// idKey is CONNECTOR_ID or TUNNELER_ID.
func (p Program) idKey() string { return strings.ToUpper(string(p.Kind)) + "_ID" }

// Commands are the commands that both programs have.
func Commands(p Program) []*cobra.Command {
	agent := &cobra.Command{Use: "agent", Short: "Commands for the SPIRE agent of this host"}
	agent.AddCommand(agentRunCommand(p.Name + " agent"))
	return []*cobra.Command{
		enrollCommand(p), setControllerCommand(p.Name, p.Conf), agent, refreshCommand(p.Name), statusCommand(p), doctorCommand(p),
	}
}

// AgentCommands are those for the SPIRE agent alone, of a program that the agent's
// unit runs whichever roles the host has.
func AgentCommands(name string) []*cobra.Command {
	return []*cobra.Command{agentRunCommand(name), refreshCommand(name), setControllerCommand(name, "")}
}

// agentSettings are the keys of the commands on an enrolled host. The trust domain is
// in host.json.
type agentSettings struct {
	HostDir        string         `conf:"host_dir" usage:"directory of the host's key, certificate and bundle" is:"path"`
	ControllerAddr string         `conf:"controller_addr" usage:"enrollment listener of the controller, host:port (default that of the conf files, or where the host was enrolled)"`
	ProgramConfs   []string       `conf:"program_confs" usage:"conf files of the host's programs, for their CONTROLLER_ADDR (default: those in /etc/grpcconnector and /etc/grpctunneler)"`
	SpiffeSocket   string         `conf:"spiffe_endpoint_socket" usage:"Workload API that the SPIRE agent serves"`
	MetricsPort    int            `conf:"agent_metrics_port" usage:"loopback port of spire-agent's Prometheus metrics; 0: none"`
	Log            logging.Config `conf:"log"`
}

func defaultAgentSettings() agentSettings {
	return agentSettings{
		HostDir: hostprogram.DefaultHostDir, SpiffeSocket: hostprogram.DefaultSocket, MetricsPort: 9469, Log: logging.DefaultConfig(),
	}
}

// AgentKeys lists the keys of `agent run`, for documentation.
func AgentKeys() []settings.Key {
	return settings.New(settings.Spec{Format: settings.EnvFile}, defaultAgentSettings()).Keys()
}

func (s *agentSettings) controllers() *controllers {
	confs := s.ProgramConfs
	if len(confs) == 0 {
		confs = roleConfs()
	}
	return &controllers{dir: hostagent.Dir{Root: s.HostDir}, configured: s.ControllerAddr, confs: confs}
}

// Validate implements the interface of settings.Loader.
func (s *agentSettings) Validate() error {
	var f settings.Faults
	f.Require(filepath.IsAbs(s.HostDir), "host_dir", "must be an absolute path, is %q", s.HostDir)
	if s.ControllerAddr != "" {
		hostprogram.RequireAddress(&f, "controller_addr", s.ControllerAddr)
	}
	hostprogram.CheckSocket(&f, "spiffe_endpoint_socket", s.SpiffeSocket)
	f.Require(conf.CheckMetricsPort(s.MetricsPort) == nil, "agent_metrics_port", "must be a port, or 0 for none, is %d", s.MetricsPort)
	f.In("log", s.Log.Validate())
	return f.Err()
}

// enrollSettings are the keys of enroll. They have the names they have in the
// conf file that enroll writes.
type enrollSettings struct {
	HostDir            string `conf:"host_dir" usage:"directory for the host's key, certificate and bundle" is:"path"`
	ControllerAddr     string `conf:"controller_addr" usage:"enrollment listener of the controller, host:port"`
	ControllerCAPath   string `conf:"controller_ca_path" usage:"the controller's ca.crt (PEM)" is:"path"`
	ConnectorID        string `conf:"connector_id" usage:"id of the connector"`
	TunnelerID         string `conf:"tunneler_id" usage:"id of the tunneler"`
	TrustDomain        string `conf:"trust_domain" usage:"SPIFFE trust domain"`
	SpiffeSocket       string `conf:"spiffe_endpoint_socket" usage:"Workload API of the SPIRE agent"`
	ConnectorAddr      string `conf:"connector_addr" usage:"one more address of a connector, host:port, tried before those of the directory; written to the conf file"`
	ConnectorPrivateIP string `conf:"connector_private_ip" usage:"IP address at which tunnelers reach this connector; written to the conf file"`
	StateDir           string `conf:"state_dir" usage:"state directory of the program; written to the conf file" is:"path"`
}

func defaultEnrollSettings() enrollSettings {
	return enrollSettings{HostDir: hostprogram.DefaultHostDir, TrustDomain: hostprogram.DefaultTrustDomain, SpiffeSocket: hostprogram.DefaultSocket}
}

// id is the one that is enrolled.
func (s enrollSettings) id(kind identity.Kind) string {
	if kind == identity.KindConnector {
		return s.ConnectorID
	}
	return s.TunnelerID
}

func (s *enrollSettings) setID(kind identity.Kind, id string) {
	if kind == identity.KindConnector {
		s.ConnectorID = id
	} else {
		s.TunnelerID = id
	}
}

// check returns all faults; the paths are the names in the environment.
func (s enrollSettings) check(p Program) (spiffeid.TrustDomain, error) {
	var f settings.Faults
	f.Require(s.ControllerAddr != "", "CONTROLLER_ADDR", "is missing: the controller's host:port, usually port 8443")
	f.Require(s.ControllerCAPath != "", "CONTROLLER_CA_PATH", "is missing: the path of the controller's ca.crt")
	f.Require(filepath.IsAbs(s.HostDir), "HOST_DIR", "must be an absolute path, is %q", s.HostDir)
	f.Require(s.StateDir == "" || filepath.IsAbs(s.StateDir), "STATE_DIR", "must be an absolute path, is %q", s.StateDir)
	if s.id(p.Kind) == "" {
		f.Add(p.idKey(), "is missing: the id the enrollment token was made for")
	} else if err := identity.ValidateID(s.id(p.Kind)); err != nil {
		f.Add(p.idKey(), "%v", err)
	}
	hostprogram.CheckSocket(&f, "SPIFFE_ENDPOINT_SOCKET", s.SpiffeSocket)
	for _, a := range []struct{ key, addr string }{{"CONTROLLER_ADDR", s.ControllerAddr}, {"CONNECTOR_ADDR", s.ConnectorAddr}} {
		if a.addr != "" {
			hostprogram.RequireAddress(&f, a.key, a.addr)
		}
	}
	td, err := spiffeid.TrustDomainFromString(s.TrustDomain)
	if err != nil {
		f.Add("TRUST_DOMAIN", "%v", err)
	}
	return td, f.Err()
}

// executable is the path that SPIRE will see in /proc of the running program.
func executable(given string) (string, error) {
	path := given
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find this program's own path: %w: give it with --binary", err)
		}
		path = self
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("binary: %w: give the program's path with --binary", err)
	}
	return filepath.Abs(path)
}

// loader reads the keys of a command from flags and environment. These commands
// have no file of their own: the conf file is what enroll writes, and belongs to
// run.
func loader[T any](defaults T, cmd *cobra.Command) *settings.Loader[T] {
	l := settings.New(settings.Spec{Format: settings.EnvFile}, defaults)
	l.Flags(cmd.Flags())
	cli.CompleteKeys(cmd, l.Keys())
	_ = cmd.Flags().MarkHidden("config") // it is defined, one line above
	return l
}
