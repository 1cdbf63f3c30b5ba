package hostcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// enrollment is one run of enroll.
type enrollment struct {
	program Program
	set     enrollSettings
	td      spiffeid.TrustDomain

	tokenFile, conf, unit, binary string
	runAs                         int
	newHost, ephemeral, once      bool

	noSystemd, noStart bool
	start              bool // unit, once the host is enrolled
	onlineTimeout      time.Duration

	sealed     string
	identities []string
	ask        bool // without a token
	id         string
	timeout    time.Duration
	out        cli.Output

	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

func enrollCommand(p Program) *cobra.Command {
	e := &enrollment{program: p}
	cmd := &cobra.Command{
		Use:   "enroll",
		Short: "Enroll this host once, with an enrollment token or an operator's approval",
		Long: fmt.Sprintf(`Enroll creates a key for this host, gets a certificate for it and writes %[1]s. It can be
repeated after any failure, with the same token or the same request.

Where %[2]s is installed, the host is enrolled for this unit, which is then
enabled and started with the SPIRE agent, and enroll ends when the program is ready
and the controller lists it as ONLINE. That needs root. Without systemd, with
--no-systemd, or with a HOST_DIR or conf file of your own the host is enrolled for a
program that you start yourself, and enroll says how. All of this is checked before a
token is read.

With --request there is no secret: it shows a code and a fingerprint and waits for
an operator to approve. With --sealed it opens a token that was sealed to a key of
this host. Otherwise it takes a token from --token-file, $ENROLLMENT_TOKEN or the
systemd credential enrollment-token.

A host that is enrolled already keeps its key and takes a second role.

Exit codes: 0 enrolled, and ONLINE where a unit was started, 1 failed, 2 wrong usage or
a host that cannot start the unit (nothing was sent), 3 refused by the controller or
denied by an operator, 4 no decision in time, 5 enrolled, but not started,
or not ONLINE in time.`, p.Conf, p.unit()),
		Example: fmt.Sprintf(`  %[1]s enroll --request --id %[2]s-local-01 --controller-addr ctl.example.com:8443 --controller-ca-path ca.crt

  %[1]s enroll --controller-addr ctl.example.com:8443 --controller-ca-path ca.crt \
      --%[2]s-id %[2]s-local-01 --token-file -      # paste the token, press Enter

  CONTROLLER_ADDR=127.0.0.1:8443 CONTROLLER_CA_PATH=ca.crt %[3]s_ID=%[2]s-local-01 \
      ENROLLMENT_TOKEN=... %[1]s enroll`, p.Name, p.Kind, strings.ToUpper(string(p.Kind))),
	}
	l := loader(defaultEnrollSettings(), cmd)
	if p.Kind == identity.KindConnector {
		hide(cmd, "tunneler-id", "connector-addr")
	} else {
		hide(cmd, "connector-private-ip")
		cmd.Flags().Lookup("connector-id").Usage = "id of the only connector to use; written to the conf file [$CONNECTOR_ID]"
	}
	e.registerFlags(cmd)
	e.registerRequest(cmd)
	cmd.MarkFlagsMutuallyExclusive("once", "new-host")
	cmd.MarkFlagsMutuallyExclusive("no-systemd", "no-start")
	cmd.MarkFlagsMutuallyExclusive("no-systemd", "systemd-unit")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		if e.set, err = l.Load(cmd.Flags()); err != nil {
			return err
		}
		if e.id != "" {
			e.set.setID(p.Kind, e.id)
		}
		e.td, err = e.set.check(p)
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		e.stdin, e.stdout, e.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		return e.run(cmd.Context())
	}
	return cmd
}

func (e *enrollment) registerFlags(cmd *cobra.Command) {
	p := e.program
	fs := cmd.Flags()
	fs.StringVar(&e.tokenFile, "token-file", "", "`file` with the enrollment token, - is standard input (default $"+enrollclient.TokenEnv+", or systemd's credential)")
	fs.StringVar(&e.conf, "conf", p.Conf, "conf `file` to write; empty writes none")
	fs.StringVar(&e.unit, "systemd-unit", "", "`unit` to enroll for and to start (default "+p.unit()+", where it is installed)")
	fs.BoolVar(&e.noSystemd, "no-systemd", false, "enroll for a program that you start yourself, also where the unit is installed")
	fs.BoolVar(&e.noStart, "no-start", false, "enroll for the unit, installed or not, and start nothing")
	fs.DurationVar(&e.onlineTimeout, "online-timeout", DefaultOnlineTimeout, "how long to wait until a started unit is ONLINE")
	fs.IntVar(&e.runAs, "run-as", os.Getuid(), "numeric `user` the program will run as, where it does not run under systemd")
	fs.StringVar(&e.binary, "binary", "", "`path` of the program that will run (default this one)")
	fs.BoolVar(&e.newHost, "new-host", false, "set an existing enrollment of this host aside and create a new key")
	fs.BoolVar(&e.ephemeral, "ephemeral", false, "for a host without a disk: the key is in memory, and each restart needs a new token")
	fs.BoolVar(&e.once, "once", false, "do nothing, and read no token, if the conf file says that this id was enrolled here; for commands that run at each start")
	fs.Lookup("run-as").DefValue = "your own" // in the manual too, whoever builds it
}

// hide keeps a key in the environment and out of the help of a program that has
// no use for it.
func hide(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		_ = cmd.Flags().MarkHidden(name)
	}
}

func (e *enrollment) run(ctx context.Context) error {
	if e.once {
		done, err := e.done()
		if err != nil {
			return err
		}
		if done {
			e.say("enrolled already: nothing to do")
			return nil
		}
	}
	if err := e.findUnit(ctx); err != nil {
		return err
	}
	if err := e.checkConf(); err != nil {
		return err
	}
	kept := e.keptState()
	got, err := e.obtain(ctx)
	if err != nil {
		return err
	}
	if err := e.forget(kept); err != nil {
		return err
	}
	if err := e.writeConf(got.Reply); err != nil {
		return fmt.Errorf("the host is enrolled, but its conf file was not written: %w", err)
	}
	if d := e.program.Directory; d != nil && e.set.StateDir != "" {
		if err := d(e.set.StateDir, e.runAs, got.Reply.GetDirectory()); err != nil {
			e.say(fmt.Sprintf("the directory could not be stored, so the first start needs a controller: %v", err))
		}
	}
	e.pin(got.Reply)
	e.lookAtConnectorAddr(ctx, got.Reply)
	if err := e.report(got); err != nil || !e.start {
		return err
	}
	return e.bringOnline(ctx, got)
}

// obtain spends the token, or waits for an operator.
func (e *enrollment) obtain(ctx context.Context) (got enrollclient.Result, err error) {
	anchors, err := bootstrap.LoadAnchors(e.set.ControllerCAPath)
	if err != nil {
		return got, err
	}
	var token enrollclient.Token
	if !e.ask {
		token, err = enrollclient.TokenSource{
			File: e.tokenFile, Sealed: e.sealed, Identities: e.identities, Stdin: e.stdin, Getenv: os.Getenv, Warn: e.say,
		}.Read()
		if err != nil {
			return got, cli.UsageError(err)
		}
	}
	client, err := enrollclient.New(enrollclient.Config{
		Address: e.set.ControllerAddr, Anchors: anchors, TrustDomain: e.td, Progress: e.say, Timeout: e.timeLimit(),
	})
	if err != nil {
		return got, cli.UsageError(err)
	}
	req, err := e.request(token)
	if err != nil {
		return got, err
	}
	if e.ask {
		got, err = e.await(ctx, client, req)
	} else {
		got, err = client.Enroll(ctx, req)
	}
	if errors.Is(err, enrollclient.ErrRefused) { // nothing is bound to the host's key, unlike after other failures
		if done, _ := e.done(); done {
			err = fmt.Errorf("%w; this host is already enrolled as %s: run `%s doctor`", err, req.Workload, e.program.Name)
		}
		err = cli.CodedError(exitDenied, err)
	}
	return got, err
}

func (e *enrollment) request(token enrollclient.Token) (enrollclient.Request, error) {
	path, err := executable(e.binary)
	if err != nil {
		return enrollclient.Request{}, err
	}
	ca, err := atomicfile.Read(e.set.ControllerCAPath, maxConf)
	if err != nil {
		return enrollclient.Request{}, err
	}
	hostname, _ := os.Hostname() // for people only
	if e.runAs < 0 {
		return enrollclient.Request{}, cli.UsageError(fmt.Errorf("--run-as %d is not a user id", e.runAs))
	}
	return enrollclient.Request{
		Token: token, Workload: identity.Workload{Kind: e.program.Kind, ID: e.set.id(e.program.Kind)},
		Facts: &zerotrustv1.HostFacts{
			BinaryPath: path, Uid: uint32(e.runAs), SystemdUnit: e.unit, Hostname: hostname, Version: cli.Version().Version, //nolint:gosec // checked above
		},
		Dir: hostagent.Dir{Root: e.set.HostDir}, CA: ca, Ephemeral: e.ephemeral, NewHost: e.newHost,
	}, nil
}

func (e *enrollment) say(text string) { _, _ = fmt.Fprintf(e.stderr, "%s: %s\n", e.program.Name, text) }
