package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostinstall"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

// program is the name of the binary.
const program = "grpctunneler"

// Command is the command tree of grpctunneler.
func Command() *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Connect this host to private networks",
		Long: `grpctunneler runs on a user's or service's host. It learns from the controller
which connectors it may use and keeps an mTLS session with each.

Its identity is an X509-SVID from the SPIRE agent of the host; it writes no key.`,
		Example: `  grpctunneler enroll --controller-addr ctl.example.com:8443 --controller-ca-path ca.crt \
      --tunneler-id tunneler-local-01 --token-file -
  grpctunneler agent run
  grpctunneler run
  grpctunneler resources
  grpctunneler connect db.dev.corp:5432
  grpctunneler status
  grpctunneler doctor`,
	}
	root.AddCommand(runCommand(), checkCommand(), directoryCommand(), resourcesCommand(), connectCommand(), sshConfigCommand())
	p := hostcmd.Program{
		Name: program, Kind: identity.KindTunneler, Conf: ConfFile, State: StateDir, Directory: directory.StoreFor, Forget: directory.Drop,
		Run: func() hostcmd.RunSettings {
			return hostcmd.RunSettingsOf(Loader(), func(c Config) hostcmd.Running {
				return hostcmd.Running{Settings: c.Settings, ID: c.TunnelerID, SPIFFEID: c.SPIFFEID(), ConnectorAddr: c.ConnectorAddr}
			})
		},
	}
	root.AddCommand(hostcmd.Commands(p)...)
	root.AddCommand(hostinstall.Command(p))
	return root
}

func runCommand() *cobra.Command {
	return cli.Logged(&cobra.Command{
		Use:     "run",
		Short:   "Run the tunneler",
		Long:    "Run waits for the SPIRE agent's Workload API, then keeps its sessions until SIGTERM.\nSIGHUP reads LOG_LEVEL again.",
		Example: "  grpctunneler run\n  grpctunneler run --config ./tunneler.conf --connector-addr 10.0.0.7:9443 --state-dir /var/lib/grpctunneler",
	}, Loader(), func(c Config) logging.Config { return c.Log }, run)
}

func checkCommand() *cobra.Command {
	return cli.Configured(&cobra.Command{
		Use:     "check-config",
		Short:   "Check the configuration of run and say what it means",
		Example: "  grpctunneler check-config --config ./tunneler.conf",
	}, Loader(), func(cmd *cobra.Command, cfg Config) error {
		use := "all of the directory"
		if cfg.ConnectorID != "" {
			use = cfg.ConnectorID + " and no other"
		}
		if cfg.ConnectorAddr != "" {
			use += ", at " + cfg.ConnectorAddr + " before their own addresses"
		}
		dir := hostcmd.StateOf(cfg.StateDir, StateDir, cmd.Flags())
		kept := "in " + dir
		if dir == "" {
			kept = "in memory only: a start needs a controller, because STATE_DIR is empty"
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), `configuration is good
  identity       %s in %s
  control plane  %v
  connectors     %s
  directory      kept %s
  listens        %s
  outage budget  without a controller, sessions continue and are opened for as long as
                 connectors admit them (the controller's policy_age, 24h by default)
%s`, identity.Workload{Kind: identity.KindTunneler, ID: cfg.TunnelerID}, cfg.TrustDomain, cfg.ControlAddresses(), use, kept, cfg.describeFaces(), hostprogram.IdentityBudget)
		return err
	})
}
