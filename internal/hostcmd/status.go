package hostcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// hostStatus is what status prints with -o json. The shape is stable and documented
// in docs/health.md.
type hostStatus struct {
	// Running says that the program answers; Failure why not.
	Running bool   `json:"running"`
	Failure string `json:"failure,omitempty"`
	// HealthAddr is where it was asked.
	HealthAddr string `json:"health_addr"`
	// HostID is absent for a user who may not read the host's files.
	HostID string      `json:"host_id,omitempty"`
	Agent  agentStatus `json:"agent"`
	// Program is what the program says of itself; absent when it does not run.
	Program *hostprogram.Document `json:"program,omitempty"`
}

// agentStatus is about the host's SPIRE agent.
type agentStatus struct {
	Socket  string `json:"socket"`
	Up      bool   `json:"up"`
	Failure string `json:"failure,omitempty"`
}

func statusCommand(p Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the running program",
		Long: fmt.Sprintf(`Status asks the %s of this host for its identity and when that expires, its connections
and since when they are open, and whether it is ready. It needs no root.

Exit codes: 0 ready, 1 not ready or not running, 2 wrong usage or configuration.`, p.Name),
		Example: fmt.Sprintf(`  %[1]s status
  %[1]s status -o json | jq .program.svid.not_after
  %[1]s status --config ./%[2]s.conf`, p.Name, p.Kind),
	}
	var cfg Running
	var out cli.Output
	set := p.Run()
	registerReader(cmd.Flags(), set)
	out.Register(cmd.Flags())
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		cfg, err = set.Load(cmd.Flags())
		cfg.StateDir = StateOf(cfg.StateDir, p.State, cmd.Flags())
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		st := readStatus(cmd.Context(), p, cfg)
		w := cmd.OutOrStdout()
		err := out.Write(w, st, func(w io.Writer) error { return st.page(w, p, time.Now()) })
		if err != nil {
			return err
		}
		switch {
		case !st.Running:
			return fmt.Errorf("does not answer at %s (%s): %s", st.HealthAddr, st.Failure, howToStart(p, cmd.Flags()))
		case !st.Program.Ready:
			return fmt.Errorf("not ready: `%s doctor` looks for the cause", p.Name)
		}
		return nil
	}
	return cmd
}

// howToStart names the unit where there is one.
func howToStart(p Program, fs *pflag.FlagSet) string {
	config := fs.Lookup("config")
	named := config != nil && config.Changed
	how := fmt.Sprintf("start it with `%s run`", p.Name)
	if named {
		how = fmt.Sprintf("start it with `%s run --config %s`", p.Name, config.Value)
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		how = fmt.Sprintf("start it with `systemctl start %s` and look at `journalctl -u %[1]s`", p.unit())
	}
	if !named {
		how += "; if it uses another conf file, name it with --config"
	}
	return how + "; `" + p.Name + " doctor` looks for the cause"
}

// readStatus asks everybody who may know.
func readStatus(ctx context.Context, p Program, cfg Running) hostStatus {
	st := hostStatus{HealthAddr: cfg.HealthAddr, Agent: askAgent(ctx, cfg.SpiffeSocket)}
	if host, err := (hostagent.Dir{Root: cfg.HostDir}).ReadHost(); err == nil {
		st.HostID = string(host.HostID)
	}
	d, addr, err := ask(ctx, p, cfg)
	if addr != "" {
		st.HealthAddr = addr
	}
	if err != nil {
		st.Failure = health.OneLine(err.Error())
		return st
	}
	st.Running, st.Program = true, &d
	return st
}

// ask asks the program, which must be the one of the configuration: two of them on a
// host have other ports.
func ask(ctx context.Context, p Program, cfg Running) (d hostprogram.Document, addr string, err error) {
	addr, err = hostprogram.Address(cfg.HealthAddr, cfg.StateDir)
	if err != nil {
		return d, "", err
	}
	if d, err = hostprogram.Fetch(ctx, addr, p.Name); err != nil {
		return d, addr, err
	}
	if d.ID != cfg.ID {
		return d, addr, fmt.Errorf("%w: %s %.64q, and the conf file is for %q", hostprogram.ErrOther, p.Kind, d.ID, cfg.ID)
	}
	return d, addr, nil
}

func askAgent(ctx context.Context, address string) agentStatus {
	path, err := mtls.SocketPath(address)
	if err != nil {
		return agentStatus{Socket: address, Failure: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	st := agentStatus{Socket: path}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		st.Failure = "the socket does not exist: the agent does not run, or has not attested yet"
	} else if err := proc.Serving(ctx, path); err != nil {
		st.Failure = health.OneLine(err.Error())
	}
	st.Up = st.Failure == ""
	return st
}
