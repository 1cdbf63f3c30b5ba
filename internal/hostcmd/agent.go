package hostcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

func agentRunCommand(name string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the SPIRE agent of this host and keep it healthy",
		Long: `Run starts spire-agent from the files of an enrolled host, and restarts it whenever it
stops. One agent serves all programs of the host. SIGHUP reads LOG_LEVEL
again.

The address of the controller is CONTROLLER_ADDR, the one in the conf files of the host's
programs, or the one from the enrollment; all of them are tried in this order.`,
		Example: fmt.Sprintf("  %[1]s run\n  %[1]s run --host-dir /srv/host --spiffe-endpoint-socket unix:///srv/host/api.sock", name),
	}
	var set agentSettings
	l := loader(defaultAgentSettings(), cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		set, err = l.Load(cmd.Flags())
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		log, stop, err := cli.Logger(cmd, l, func(s agentSettings) logging.Config { return s.Log }, set)
		if err != nil {
			return err
		}
		defer stop()
		dir := hostagent.Dir{Root: set.HostDir}
		if _, err := dir.ReadHost(); err != nil {
			return err
		}
		fetch := set.controllers().FetchBundle
		socket, err := mtls.SocketPath(set.SpiffeSocket)
		if err != nil {
			return err
		}
		program, err := proc.Find("spire-agent", "SPIRE_AGENT_BIN")
		if err != nil {
			return err
		}
		if err := proc.RequireVersion(cmd.Context(), program, proc.MinimumAgent); err != nil {
			return err
		}
		agent, err := hostagent.New(hostagent.Config{
			Dir: dir, AgentBinary: program, Logger: log, Fetch: fetch,
			Agent: conf.Agent{SocketPath: socket, LogLevel: set.Log.Level, MetricsPort: set.MetricsPort, Systemd: conf.SystemdRuns()},
		})
		if err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(cmd.Context())
		g.Go(func() error { return agent.Run(ctx) })
		g.Go(func() error {
			return health.Notify(ctx, health.NotifyConfig{Alive: agent.Alive, Status: statusOf(agent), Log: log.Named("notify")})
		})
		return g.Wait()
	}
	return cmd
}

// statusOf is the line of `systemctl status`.
func statusOf(agent *hostagent.Supervisor) func(context.Context) string {
	return func(context.Context) string {
		if why := agent.Reason(); why != "" {
			return "not ready: " + why
		}
		return "ready"
	}
}

func refreshCommand(name string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "refresh-bundle",
		Short:   "Fetch the current trust bundle over the bootstrap trust",
		Long:    "Refresh-bundle fetches once the trust bundle that spire-agent bootstraps from. The\nsupervisor of the SPIRE agent does the same by itself. It needs no identity.",
		Example: fmt.Sprintf("  %s refresh-bundle --host-dir %s", name, hostprogram.DefaultHostDir),
	}
	var set agentSettings
	l := loader(defaultAgentSettings(), cmd)
	hide(cmd, "spiffe-endpoint-socket", "agent-metrics-port", "log-level", "log-format")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		set, err = l.Load(cmd.Flags())
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir := hostagent.Dir{Root: set.HostDir}
		n, err := refresh(cmd.Context(), dir, set.controllers())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "wrote %s (authorities: %d)\n", dir.Bundle(), n)
		return err
	}
	return cmd
}

// refresh returns how many authorities the bundle has.
func refresh(ctx context.Context, dir hostagent.Dir, from *controllers) (int, error) {
	bundle, err := from.FetchBundle(ctx)
	if err != nil {
		return 0, err
	}
	if err := keepingOwner(dir.Bundle(), func() error { return dir.WriteBundle(bundle.Authorities) }); err != nil {
		return 0, fmt.Errorf("trust bundle: %w", err)
	}
	host, err := dir.ReadHost()
	if err != nil || bundle.ServerAddress == "" || host.SPIREServerAddress == bundle.ServerAddress {
		return len(bundle.Authorities), err
	}
	host.SPIREServerAddress = bundle.ServerAddress
	return len(bundle.Authorities), keepingOwner(dir.HostFile(), func() error { return dir.WriteHost(host) })
}
