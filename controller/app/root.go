package app

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// Root is the command tree of grpccontroller.
func Root() *cobra.Command {
	root := &cobra.Command{
		Use:   "grpccontroller",
		Short: "Controller of a self-hosted zero-trust access plane on SPIRE",
		Long: `grpccontroller enrolls hosts with one-time tokens, manages SPIRE's registration
entries, and distributes the policy: which tunneler may use which connector.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 nothing has the id that
was named. Commands with other exit codes say so in their help.`,
		Example: `  # Start everything on one machine, SPIRE included
  grpccontroller serve --data-dir /var/lib/grpccontroller

  # Enroll a connector
  grpccontroller token create --kind connector --id connector-local-01

  # List the connectors that are ONLINE
  grpccontroller connectors list`,
	}
	root.AddCommand(serveCommand(), checkConfigCommand(), bootstrapCACommand(), adminCommand(), statusCommand(), doctorCommand(), backupCommand(), restoreCommand(), recoveryCommand())
	for _, cmd := range admincmd.Commands() {
		switch cmd.Name() { // these work on the database, not on the API
		case "audit":
			cmd.AddCommand(auditVerifyCommand())
		case "key":
			cmd.AddCommand(keyCreateCommand(), generateKeyCommand())
		}
		root.AddCommand(cmd)
	}
	return root
}

// loader knows the variables of the commands that call the API: docs say to export
// them, and then every command runs with them.
func loader() *settings.Loader[config.Config] {
	spec := config.Spec()
	spec.Others = admincmd.Variables()
	return settings.New(spec, config.Default())
}

func serveCommand() *cobra.Command {
	return cli.Logged(&cobra.Command{
		Use:   "serve",
		Short: "Run the controller",
		Long: `Run the controller until SIGTERM. In the mode "embedded" (the default) it also
runs spire-server and a spire-agent as child processes in its data directory.

Every flag is also a key of the configuration file and an environment variable:
--spire-mode is spire.mode and GRPCCONTROLLER_SPIRE_MODE.

SIGHUP reads log.level again; every other key needs a restart.`,
		Example: `  grpccontroller serve
  grpccontroller serve --data-dir ./data --listen-enrollment 127.0.0.1:8443`,
	}, loader(), func(c config.Config) logging.Config { return c.Log }, serve)
}

func checkConfigCommand() *cobra.Command {
	return cli.Configured(&cobra.Command{
		Use: "check-config", Short: "Check the configuration and print what it means",
		Example: `  grpccontroller check-config --config /etc/grpccontroller/controller.yaml`,
	}, loader(), func(cmd *cobra.Command, cfg config.Config) error {
		if err := errors.Join(checkDeclared(cfg.Declared), checkFiles(cfg)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), `configuration is good
trust domain    %s
data directory  %s
SPIRE           %s
traces          %s
install tree    %s
declared        %s
outage budget   without the controller, sessions continue and are admitted for %s (policy_age)
                without SPIRE too, a session ends with the SVID of either end: a connector's after
                %s to %s, a tunneler's after %s to %s (half to whole SVID TTL, and 30 s)
`, cfg.TrustDomain, cfg.DataDir, cfg.SPIRE.Mode, cfg.Tracing.Meaning(), describeTree(cfg.InstallDir), describeDeclared(cfg.Declared), health.Span(cfg.PolicyAge),
			health.Span(least(cfg.SVIDTTL.Connector)), health.Span(most(cfg.SVIDTTL.Connector)), health.Span(least(cfg.SVIDTTL.Tunneler)), health.Span(most(cfg.SVIDTTL.Tunneler)))
		return err
	})
}

// grace is how long a session may outlive the SVID it was proved with.
const grace = 30 * time.Second

func least(ttl time.Duration) time.Duration { return ttl/2 + grace }
func most(ttl time.Duration) time.Duration  { return ttl + grace }

func bootstrapCACommand() *cobra.Command {
	var only bool
	cmd := cli.Configured(&cobra.Command{
		Use:   "bootstrap-ca",
		Short: "Print the bootstrap CA certificate, creating the CA if it does not exist",
		Long: `Print the certificate (PEM) that hosts need as CONTROLLER_CA_PATH. With an
external SPIRE it also goes into ca_bundle_paths of its x509pop attestor, before
the controller starts for the first time.

Hosts and browsers can fetch it as /ca.crt from the enrollment listener and the
dashboard. --fingerprint prints what to compare it with.`,
		Example: `  grpccontroller bootstrap-ca --data-dir /var/lib/grpccontroller > ca.crt
  grpccontroller bootstrap-ca --fingerprint      # as openssl x509 -noout -fingerprint -sha256 -in ca.crt`,
	}, loader(), func(cmd *cobra.Command, cfg config.Config) error {
		td, err := spiffeid.TrustDomainFromString(cfg.TrustDomain)
		if err != nil {
			return err
		}
		if err := makeDataDir(cfg.DataDir); err != nil {
			return err
		}
		text, err := signingCA(paths(cfg.DataDir).bootstrap(), td)
		if err != nil {
			return err
		}
		if only {
			text = []byte("sha256 Fingerprint=" + fingerprint(text) + "\n")
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	})
	cli.ShowOnly(cmd.Flags(), "config", "data-dir", "trust-domain")
	cmd.Flags().BoolVar(&only, "fingerprint", false, "print the SHA-256 fingerprint of the certificate alone")
	return cmd
}

// signingCA is the certificate of the bootstrap CA that signs, which is made where there
// is none yet. What a running controller has is only read: it may be replacing it.
func signingCA(dir string, td spiffeid.TrustDomain) ([]byte, error) {
	file := filepath.Join(dir, "ca.crt")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if _, err := bootstrapca.Open(dir, td, time.Now); err != nil {
			return nil, err
		}
	}
	all, err := bootstrap.ReadAnchors(file)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: all[0].Raw}), nil
}
