package hostinstall

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// Variables are what the person who installs has to say, by flag or environment.
type Variables struct {
	ControllerAddr     string `conf:"controller_addr" usage:"enrollment listener of the controller, host:port"`
	ControllerCAPath   string `conf:"controller_ca_path" usage:"the controller's ca.crt (PEM)"`
	ConnectorID        string `conf:"connector_id" usage:"id of the connector that the enrollment token was made for"`
	TunnelerID         string `conf:"tunneler_id" usage:"id of the tunneler that the enrollment token was made for"`
	TrustDomain        string `conf:"trust_domain" usage:"SPIFFE trust domain"`
	ConnectorAddr      string `conf:"connector_addr" usage:"one more address of a connector, host:port, tried before those that the controller names"`
	ConnectorPrivateIP string `conf:"connector_private_ip" usage:"IP address at which tunnelers reach this connector (default the one towards the controller)"`
	TokenFile          string `conf:"enrollment_token_file" usage:"file with the enrollment token (default: standard input or a prompt)"`
	ReadyTimeout       string `conf:"ready_timeout" usage:"seconds to wait until the program is ready"`
}

// Command is `install` of a program.
func Command(p hostcmd.Program) *cobra.Command {
	r, kind := roleOf(p.Kind), p.Kind
	cfg := Config{Kind: kind, BringOnline: func(ctx context.Context, s hostcmd.Start) error { return hostcmd.BringOnline(ctx, p, s) }}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install, enroll and start this program on this host; upgrade or remove it",
		Long: fmt.Sprintf(`Install puts %[1]s and the SPIRE agent on this host, from the controller and
verified by its release key, enrolls the host with an enrollment token, starts both and
waits until %[1]s is ready. The scripts that the controller serves fetch this
program and run this command.

All checks run before anything is changed. If a step before the enrollment fails, the
changes are undone. On a host that is already installed, the same command upgrades it,
without a token.

The token comes from the variable ENROLLMENT_TOKEN, from the file that
ENROLLMENT_TOKEN_FILE names, from standard input, or from a prompt.

Exit codes: 0 done, 1 failed, and everything is as it was unless it says otherwise,
2 wrong usage or a host that it must not change, nothing was touched.`, r.program),
		Example: fmt.Sprintf(`  sudo CONTROLLER_ADDR=ctl.example.com:8443 %[2]s_ID=my-%[3]s CONTROLLER_CA_PATH=ca.crt %[1]s install
  sudo %[1]s install --uninstall --dry-run`, r.program, strings.ToUpper(string(kind)), kind),
	}
	l := settings.New(settings.Spec{Format: settings.EnvFile}, Variables{TrustDomain: hostprogram.DefaultTrustDomain, ReadyTimeout: "120"})
	l.Flags(cmd.Flags())
	fs := cmd.Flags()
	hidden := []string{"config", "tunneler-id", "connector-addr", "fetched"}
	if r.listen == "" {
		hidden = []string{"config", "connector-id", "connector-private-ip", "fetched"}
	}
	fs.BoolVarP(&cfg.Options.Force, "overwrite", "f", false, "keep the conf file as CONF.TIME.bak and enroll again, with a new token")
	fs.BoolVar(&cfg.Options.Uninstall, "uninstall", false, "stop and remove the program, its conf and its state")
	fs.BoolVar(&cfg.Options.DryRun, "dry-run", false, "print what would be done, and do nothing")
	fs.BoolVar(&cfg.Options.Version, "version", false, "print the installed version and the controller's version")
	fs.BoolVar(&cfg.Options.AcceptKey, "accept-release-key", false, "accept the controller's new release key in place of the known one")
	fs.StringVar(&cfg.Fetched, "fetched", "", "`directory` of the script with what it fetched, which is removed at the end")
	for _, name := range hidden {
		_ = fs.MarkHidden(name) // it is defined above
	}
	cmd.PreRunE = func(*cobra.Command, []string) (err error) {
		cfg.Variables, err = l.Load(fs)
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg.Out, cfg.Err, cfg.Stdin = cmd.OutOrStdout(), cmd.ErrOrStderr(), cmd.InOrStdin()
		cfg.Host = Host{Root: "/", Commands: programs{cfg.Out, cfg.Err}, System: kernel{}}
		cfg.Token, cfg.Ask = os.Getenv("ENROLLMENT_TOKEN"), terminal()
		return outside(cmd.Context(), cfg)
	}
	return cmd
}

// outside does what belongs to the process rather than to the installation.
func outside(ctx context.Context, cfg Config) error {
	defer dropFetched(cfg.Fetched)
	// What is placed is for everybody to read, whatever root's umask is.
	syscall.Umask(0o022)
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	// A terminal that is closed ends the run in order; a reader of the output that went
	// away does not end it.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	cfg.Shield = func() { signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM) }
	return New(cfg).Run(ctx)
}

var fetchedName = regexp.MustCompile(`^grpc-setup\.[A-Za-z0-9]+$`)

// dropFetched removes the script's directory, and nothing that is not one.
func dropFetched(dir string) {
	info, err := os.Lstat(dir)
	if err == nil && info.IsDir() && info.Mode().Perm() == 0o700 && ownerOf(info) == os.Geteuid() && fetchedName.MatchString(filepath.Base(dir)) {
		_ = os.RemoveAll(dir)
	}
}
