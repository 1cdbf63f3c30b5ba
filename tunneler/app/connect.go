package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/listen"
)

// runtimeSocket is the local socket of a tunneler that runs as grpctunneler.service.
const runtimeSocket = "/run/" + program + "/" + socketFile

// socketFlag is where the tunneler of this host listens, for a command that asks it.
type socketFlag struct{ path, config string }

func (f *socketFlag) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.path, "socket", "", "local `socket` of the tunneler (default: $GRPCTUNNELER_SOCKET, "+runtimeSocket+", or that in "+StateDir+")")
	fs.StringVar(&f.config, "config", "", "configuration `file` of the tunneler, which says where its socket is, for one that does not run as the unit")
	cmd.MarkFlagsMutuallyExclusive("socket", "config")
}

// named is the socket that the flags name, absolute; empty for none. A configuration is read as
// run does, but only for the socket: what else is wrong with it is for run to say.
func (f *socketFlag) named() (string, error) {
	if f.config == "" {
		if f.path == "" {
			return "", nil
		}
		return filepath.Abs(f.path)
	}
	fs := pflag.NewFlagSet(program, pflag.ContinueOnError)
	type unchecked Config
	l := settings.New(hostprogram.Spec(ConfFile), unchecked(DefaultConfig()))
	l.Flags(fs)
	if err := fs.Set("config", f.config); err != nil {
		return "", err
	}
	c, err := l.Load(fs)
	if err != nil {
		return "", fmt.Errorf("find the tunneler's socket (--socket names it): %w", err)
	}
	if c.LocalSocket == "" && (c.StateDir == "" || c.StateDir == StateDir) {
		return "", nil // as the unit has it
	}
	return filepath.Abs((*Config)(&c).socket())
}

// find is the socket to ask.
func (f *socketFlag) find() (string, error) {
	path, err := f.named()
	if path == "" && err == nil {
		path = localSocket()
	}
	return path, err
}

// localSocket is where the tunneler of this host listens, if no flag says it.
func localSocket() string {
	if env := os.Getenv("GRPCTUNNELER_SOCKET"); env != "" {
		return env
	}
	if _, err := os.Lstat(runtimeSocket); err != nil {
		if other := filepath.Join(StateDir, socketFile); exists(other) {
			return other
		}
	}
	return runtimeSocket
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// explained adds the way out to the error of a request to the tunneler of this host.
func explained(err error) error {
	switch {
	case errors.Is(err, listen.ErrNotRunning):
		return fmt.Errorf("%w: is grpctunneler running here (grpctunneler status), or is its socket elsewhere (--config or --socket)?", err)
	case errors.Is(err, listen.ErrUser):
		return fmt.Errorf("%w: add your user to ALLOW_USERS in %s and restart the tunneler", err, ConfFile)
	}
	return err
}

func connectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connect {HOST:PORT|NAME}",
		Short: "Connect standard input and output to a resource",
		Long: `Connect asks the tunneler that runs on this host for a flow to HOST:PORT and carries
standard input there and what comes back to standard output, until both have ended.
HOST is a name that the connector's network knows, an address, or the alias of a resource.
NAME is the id, the alias or the name of a resource that has one host and one port.

It exits with 1 if there is no flow, and says why: you have no grant, or there is no such
target (these two are not told apart), the name has no address, nothing listens there, or
no connector answers.`,
		Example: `  grpctunneler connect db.dev.corp:5432
  grpctunneler connect db
  grpctunneler connect --config ./tunneler.conf db
  ssh -o ProxyCommand='grpctunneler connect %h:%p' admin@build.dev.corp
  grpctunneler ssh-config '*.dev.corp' >> ~/.ssh/config`,
		Args: cli.Arguments("HOST:PORT"),
	}
	var at socketFlag
	at.register(cmd)
	cmd.ValidArgsFunction = completeResources(&at)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		socket, err := at.find()
		if err != nil {
			return err
		}
		to, err := targetOf(cmd.Context(), socket, args[0])
		if err != nil {
			return err
		}
		c, err := listen.Dial(cmd.Context(), socket, to)
		if err != nil {
			return fmt.Errorf("%s: %w", to, explained(err))
		}
		return carry(c, cmd.InOrStdin(), cmd.OutOrStdout())
	}
	return cmd
}

// carry copies both ways. The end of the target's direction ends the command: nobody would
// read what is typed after it.
func carry(c net.Conn, in io.Reader, out io.Writer) error {
	// joined by the end of the process, if nothing is typed any more
	go func() {
		if _, err := io.Copy(c, in); err == nil {
			if half, ok := c.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		}
	}()
	_, err := io.Copy(out, c)
	return errors.Join(err, c.Close())
}

func sshConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh-config [PATTERN...]",
		Short: "Print the block of ~/.ssh/config that takes ssh through the tunneler",
		Long: `Ssh-config prints a Host block for the given patterns (default: *.internal). With it ssh,
scp, rsync, sftp and git reach hosts through the tunneler that runs here; the host's own
key and the account are ssh's as before.`,
		Example: `  grpctunneler ssh-config '*.dev.corp' build-01 >> ~/.ssh/config
  ssh admin@build.dev.corp`,
		Args: cobra.ArbitraryArgs,
	}
	var at socketFlag
	at.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			args = []string{"*.internal"}
		}
		for _, pattern := range args {
			if !sshPattern(pattern) {
				return cli.UsageError(fmt.Errorf("%q is no pattern of a Host line, which has letters, digits and the characters in %q", pattern, "._-*?!:"))
			}
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		proxy := quoted(self) + " connect"
		socket, err := at.named()
		if err != nil {
			return err
		}
		if socket != "" { // ssh runs elsewhere, and its user may not be able to read the configuration
			proxy += " --socket " + quoted(socket)
		}
		out := cmd.OutOrStdout()
		if _, err := fmt.Fprint(out, "Host"); err != nil {
			return err
		}
		for _, pattern := range args {
			if _, err := fmt.Fprint(out, " ", pattern); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(out, "\n    ProxyCommand %s %%h:%%p\n", proxy)
		return err
	}
	return cmd
}

// quoted is a word for the shell that ssh runs a ProxyCommand with. Ssh itself replaces
// what begins with a per cent sign.
func quoted(word string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "%", "%%").Replace(word) + "'"
}

// sshPattern refuses what would begin another line or keyword in ssh's configuration.
func sshPattern(s string) bool {
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case r == '.', r == '_', r == '-', r == '*', r == '?', r == '!', r == ':':
		default:
			return false
		}
	}
	return s != ""
}
