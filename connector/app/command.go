package app

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostinstall"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// program is the name of the binary.
const program = "grpcconnector"

// Command is the command tree of grpcconnector.
func Command() *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Accept tunnelers inside a private network",
		Long: `grpcconnector runs inside a private network. It keeps a stream to the controller
and accepts mTLS sessions from the tunnelers that the controller's policy names.

Its identity is an X509-SVID from the SPIRE agent of the host; it writes no key.`,
		Example: `  grpcconnector enroll --controller-addr ctl.example.com:8443 --controller-ca-path ca.crt \
      --connector-id connector-local-01 --token-file -
  grpcconnector agent run
  grpcconnector run
  grpcconnector status
  grpcconnector doctor`,
	}
	root.AddCommand(runCommand(), checkCommand(), witnessCommand())
	p := hostcmd.Program{
		Name: program, Kind: identity.KindConnector, Conf: ConfFile, State: StateDir, Forget: forget,
		Run: func() hostcmd.RunSettings {
			return hostcmd.RunSettingsOf(Loader(), func(c Config) hostcmd.Running {
				return hostcmd.Running{Settings: c.Settings, ID: c.ConnectorID, SPIFFEID: c.SPIFFEID(), ListenAddr: c.ListenAddr}
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
		Short:   "Run the connector",
		Long:    "Run waits for the SPIRE agent's Workload API, then serves until SIGTERM.\nSIGHUP reads LOG_LEVEL again.",
		Example: "  grpcconnector run\n  grpcconnector run --config ./connector.conf --listen-addr 0.0.0.0:9443 --state-dir /var/lib/grpcconnector",
	}, Loader(), func(c Config) logging.Config { return c.Log }, run)
}

func checkCommand() *cobra.Command {
	return cli.Configured(&cobra.Command{
		Use:     "check-config",
		Short:   "Check the configuration of run and say what it means",
		Example: "  grpcconnector check-config --config ./connector.conf",
	}, Loader(), func(cmd *cobra.Command, cfg Config) error {
		me := identity.Workload{Kind: identity.KindConnector, ID: cfg.ConnectorID}
		budget, err := policyBudget(me, cfg, hostcmd.StateOf(cfg.StateDir, StateDir, cmd.Flags()))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), `configuration is good
  identity       %s in %s
  control plane  %v
  tunnelers at   %s
  outage budget  without a controller, sessions continue and are admitted for %s
%s`, me, cfg.TrustDomain, cfg.ControlAddresses(), cfg.ListenAddr, budget, hostprogram.IdentityBudget)
		return err
	})
}

// policyBudget is how long, and whether a restart changes that.
func policyBudget(me identity.Workload, cfg Config, dir string) (string, error) {
	td, err := spiffeid.TrustDomainFromString(cfg.TrustDomain)
	if err != nil {
		return "", err
	}
	self, err := me.SPIFFEID(td)
	if err != nil {
		return "", err
	}
	age, from := relay.KeptPolicyAge(dir, self), "the controller's policy_age"
	if age == 0 {
		age, from = relay.DefaultPolicyAge, "the controller's policy_age, by default"
	}
	kept := "the policy is kept in " + dir
	if dir == "" {
		kept = "a restart needs a controller, because STATE_DIR is empty"
	}
	return fmt.Sprintf("%s (%s); %s", health.Span(age), from, kept), nil
}
