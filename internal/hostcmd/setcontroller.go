package hostcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

const (
	// exitOther is the exit code where the controller of this host does not answer at
	// the address: somebody else does.
	exitOther = 3
	// enrollmentPort is where a controller's enrollment listener usually is.
	enrollmentPort = "8443"
	dialTimeout    = 3 * time.Second
	restartTimeout = time.Minute
	agentUnit      = "spire-agent.service"
	agentConf      = "/etc/grpc-spire-agent/agent.conf"
)

// move is one run of set-controller.
type move struct {
	name               string // of the program
	dir                hostagent.Dir
	conf               string   // of the program; empty for the host agent
	confs              []string // of other programs that the host may have
	control            []string
	noCheck, noRestart bool

	out io.Writer
	err io.Writer
}

// target is where the host is moved to.
type target struct {
	enrollment string
	control    []string
	spire      string
	bundle     *hostagent.Bundle // nil without a check
}

// setControllerCommand moves a host; conf is empty for the host agent, which has no
// conf file with a controller's address.
func setControllerCommand(name, conf string) *cobra.Command {
	m := &move{name: name}
	cmd := &cobra.Command{
		Use:   "set-controller ADDR",
		Short: "Move this host to another address of its controller",
		Long: `Set-controller changes the controller's address of an enrolled host to ADDR, host:port
(port 8443 where it is missing): in the conf files of all programs of the host and in
host.json. Key, certificate and identity stay, and no token is needed.

It first connects to the enrollment listener at ADDR, which must prove that it is the
controller of the CA that this host was enrolled with. If it is not, nothing is
changed. The addresses of the control plane and of the SPIRE server are those that
this controller advertises, if they answer, or else the same ports at
ADDR. What runs under systemd is restarted. Run it as root.

Exit codes: 0 moved, 1 failed (a message says what was changed), 2 wrong usage,
3 ADDR is not the controller of this host, nothing was changed.`,
		Example: fmt.Sprintf(`  sudo %[1]s set-controller ctl2.example.com
  sudo %[1]s set-controller 192.0.2.7:8443 --control-plane-addrs 192.0.2.7:8444
  sudo %[1]s set-controller ctl2.example.com:8443 --no-check      # before it is there`, name),
		Args: cli.Arguments("ADDR"),
	}
	fs := cmd.Flags()
	fs.StringVar(&m.dir.Root, "host-dir", hostprogram.DefaultHostDir, "directory of the host's key, certificate and bundle; $HOST_DIR counts too")
	if conf != "" {
		fs.StringVar(&m.conf, "conf", conf, "conf `file` of this program")
	}
	fs.StringSliceVar(&m.control, "control-plane-addrs", nil, "control plane, host:port each (default: as the controller advertises)")
	fs.BoolVar(&m.noCheck, "no-check", false, "write ADDR without asking whether this host's controller is there")
	fs.BoolVar(&m.noRestart, "no-restart", false, "restart nothing, and print what has to be restarted")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		m.out, m.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
		if dir := os.Getenv("HOST_DIR"); dir != "" && !fs.Changed("host-dir") {
			m.dir.Root = dir // as all other commands take it
		}
		m.confs = roleConfs()
		return m.run(cmd.Context(), args[0])
	}
	return cmd
}

func (m *move) run(ctx context.Context, addr string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil && !strings.Contains(addr, ":") {
		addr = net.JoinHostPort(addr, enrollmentPort)
	}
	var f settings.Faults
	hostprogram.RequireAddress(&f, "ADDR", addr)
	for _, a := range m.control {
		hostprogram.RequireAddress(&f, "--control-plane-addrs", a)
	}
	f.Require(filepath.IsAbs(m.dir.Root), "--host-dir", "must be an absolute path, is %q", m.dir.Root)
	if err := f.Err(); err != nil {
		return cli.UsageError(err)
	}
	host, err := m.dir.ReadHost()
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run as root", err)
	}
	if err != nil {
		return err
	}
	files, err := m.files()
	if err != nil {
		return err
	}
	to, err := m.target(ctx, addr, host, files)
	if err != nil {
		return err
	}
	if err := m.write(to, host, files); err != nil {
		return err
	}
	return m.restart(ctx, files)
}

// confFile is one conf file of this host.
type confFile struct{ path, text string }

// files are the conf files of this host, that of the program first.
func (m *move) files() (out []confFile, err error) {
	for i, path := range append([]string{m.conf}, m.confs...) {
		if path == "" || i > 0 && path == m.conf {
			continue
		}
		text, err := atomicfile.Read(path, maxConf)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		case i > 0 && envfile.Value(string(text), "CONTROLLER_CA_PATH") != m.dir.ControllerCA():
			continue // of another host directory
		}
		out = append(out, confFile{path, string(text)})
	}
	return out, nil
}

// target asks the controller at addr, unless that was declined.
func (m *move) target(ctx context.Context, addr string, host hostagent.Host, files []confFile) (target, error) {
	to := target{enrollment: addr, control: m.control, spire: hostprogram.SameHost(addr, []string{host.SPIREServerAddress})[0]}
	if m.noCheck {
		if len(to.control) == 0 {
			var before []string
			if len(files) > 0 {
				before = strings.Split(envfile.Value(files[0].text, "CONTROL_PLANE_ADDRS"), ",")
			}
			to.control = hostprogram.SameHost(addr, before)
		}
		return to, nil
	}
	client, err := clientAt(addr, host, m.dir)
	if err != nil {
		return to, err
	}
	offer, err := client.FetchOffer(ctx)
	if untrusted := (*enrollclient.UntrustedError)(nil); errors.As(err, &untrusted) {
		return to, cli.CodedError(exitOther, fmt.Errorf("%s is not the controller that this host was enrolled with, by the CA in %s: %w; nothing was changed",
			addr, host.ControllerCAPath, untrusted.Err))
	}
	if err != nil {
		return to, fmt.Errorf("%w; nothing was changed: check the address and that the controller runs, or use --no-check", err)
	}
	to.bundle = &offer.Bundle
	if len(to.control) == 0 {
		to.control = m.answering(ctx, "control plane", offer.ControlPlane, hostprogram.SameHost(addr, offer.ControlPlane))
	}
	named := []string{offer.Bundle.ServerAddress}
	if named[0] == "" { // it sent none, or one that no host accepts from it
		named = []string{to.spire}
	}
	to.spire = m.answering(ctx, "SPIRE server", named, hostprogram.SameHost(addr, named))[0]
	return to, nil
}

// answering returns the addresses that accept connections: of what the controller
// names, or else of the same ports where it was asked. If none does, what it names
// stands, with a warning.
func (m *move) answering(ctx context.Context, what string, named, asked []string) []string {
	for _, list := range [][]string{named, asked} {
		var good []string
		for _, a := range list {
			if err := accepts(ctx, a); err != nil {
				m.say("%s: %v", what, err)
				continue
			}
			good = append(good, a)
		}
		if len(good) > 0 {
			return good
		}
	}
	if len(named) == 0 {
		named = asked
	}
	m.say("%s: nothing answers yet; %s is written anyway", what, strings.Join(named, ", "))
	return named
}

func accepts(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
