package hostcmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// maxTokenFile bounds what is read where a token is expected.
const maxTokenFile = 4 << 10

func doctorCommand(p Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find faults of this host and say what to do",
		Long: fmt.Sprintf(`Doctor checks the conf file, the units, the agent's socket, the running program,
names, ports, the controller's certificate, the clock, the files of the host and, if
one is given, the form of an enrollment token. It changes nothing and sends no
token. Checks that need root are skipped for other users.

SPIRE gives the identity only to the program, so doctor asks the program
whether it has it (%s status).

Exit codes: 0 no fault, 1 a fault was found, 2 wrong usage.`, p.Name),
		Example: fmt.Sprintf(`  sudo %[1]s doctor
  %[1]s doctor -o json | jq -r '.findings[] | select(.level == "fault") | .do'
  %[1]s doctor --token-file -      # paste the token, press Enter`, p.Name),
	}
	var out cli.Output
	var tokenFile string
	set := p.Run()
	fs := cmd.Flags()
	registerReader(fs, set)
	fs.StringVar(&tokenFile, "token-file", "", "`file` with an enrollment token to check, - is standard input; it is not sent (default $"+enrollclient.TokenEnv+")")
	out.Register(fs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := set.Load(fs) // a fault in it is a finding
		cfg.StateDir = StateOf(cfg.StateDir, p.State, fs)
		h := hostToExamine(p, cfg, err)
		if f := fs.Lookup("config"); f.Changed {
			h.Conf = f.Value.String()
		}
		h.Token = tokenOf(tokenFile, cmd.InOrStdin())
		r := doctor.Run(cmd.Context(), h)
		w := cmd.OutOrStdout()
		if err := out.Write(w, r, r.Write); err != nil {
			return err
		}
		if !r.Healthy {
			return fmt.Errorf("faults found: %d", r.Count(doctor.Fault))
		}
		return nil
	}
	return cmd
}

// hostToExamine is this host, by this configuration.
func hostToExamine(p Program, cfg Running, fault error) doctor.Host {
	socket, _ := mtls.SocketPath(cfg.SpiffeSocket) // empty is skipped, the conf check has the fault
	return doctor.Host{
		Program: p.Name, Version: cli.Version().Version, Kind: p.Kind, Conf: p.Conf, ConfFault: fault, AgentConf: agentConf,
		ID: cfg.ID, TrustDomain: cfg.TrustDomain, ControllerAddr: cfg.ControllerAddr, ControlPlane: cfg.ControlPlane(),
		ControllerCAPath: cfg.ControllerCAPath, ConnectorAddr: cfg.ConnectorAddr, StateDir: cfg.StateDir, Socket: socket,
		Dir: hostagent.Dir{Root: cfg.HostDir}, EnrolledAs: cfg.EnrolledAs, EnrolledBinary: cfg.EnrolledBinary,
		Means: doctor.Means{
			Now: time.Now, Lookup: net.DefaultResolver.LookupHost, Systemctl: doctor.Systemctl(),
			Ask: func(ctx context.Context) (hostprogram.Document, error) {
				d, _, err := ask(ctx, p, cfg)
				return d, err
			},
			ControllerTime: func(ctx context.Context) (time.Time, error) { return controllerTime(ctx, cfg) },
			Standing: func(ctx context.Context) (hostagent.Standing, []string, error) {
				return standing(ctx, cfg, hostagent.Dir{Root: cfg.HostDir})
			},
		},
	}
}

// standing shows the controller the host certificate, which only root may use.
func standing(ctx context.Context, cfg Running, dir hostagent.Dir) (hostagent.Standing, []string, error) {
	host, err := dir.ReadHost()
	if err != nil {
		return hostagent.StandingUnsaid, nil, err
	}
	addr := cfg.ControllerAddr
	if addr == "" {
		addr = host.ControllerAddress
	}
	client, err := clientAt(addr, host, dir)
	if err != nil {
		return hostagent.StandingUnsaid, nil, err
	}
	offer, err := client.FetchOffer(ctx)
	return offer.Bundle.Standing, offer.Bundle.Members, err
}

func controllerTime(ctx context.Context, cfg Running) (time.Time, error) {
	td, err := spiffeid.TrustDomainFromString(cfg.TrustDomain)
	if err != nil {
		return time.Time{}, err
	}
	anchors, err := bootstrap.LoadAnchors(cfg.ControllerCAPath)
	if err != nil {
		return time.Time{}, err
	}
	client, err := enrollclient.New(enrollclient.Config{Address: cfg.ControllerAddr, Anchors: anchors, TrustDomain: td})
	if err != nil {
		return time.Time{}, err
	}
	return client.ControllerTime(ctx)
}

// tokenOf reads the token that was given, nil if none was.
func tokenOf(file string, stdin io.Reader) func() (string, error) {
	switch {
	case file == "-":
		return func() (string, error) {
			return keys.ReadSecret(stdin, maxTokenFile)
		}
	case file != "":
		return func() (string, error) {
			f, err := os.Open(file)
			if err != nil {
				return "", err
			}
			defer func() { _ = f.Close() }()
			return keys.ReadSecret(f, maxTokenFile)
		}
	case os.Getenv(enrollclient.TokenEnv) != "":
		return func() (string, error) { return os.Getenv(enrollclient.TokenEnv), nil }
	}
	return nil
}
