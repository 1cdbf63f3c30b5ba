package hostcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

// maxConf bounds what is read as an existing conf file.
const maxConf = 1 << 20

// enrollment is one run of enroll.
type enrollment struct {
	program Program
	set     enrollSettings
	td      spiffeid.TrustDomain

	tokenFile, conf, unit, binary string
	runAs                         int
	newHost, ephemeral, once      bool

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
		Long: fmt.Sprintf(`Enroll makes a key for this host, has it certified and writes %[1]s. It can be
repeated after any failure, with the same token or the same request.

With --request there is no secret: it shows a code and a fingerprint and waits for
an operator to approve. With --sealed it opens a token that was sealed to a key of
this host. Otherwise it takes a token from --token-file, $ENROLLMENT_TOKEN or the
systemd credential enrollment-token.

A host that is enrolled already keeps its key and takes a second role.

Exit codes: 0 enrolled, 1 failed, 2 wrong usage, 3 refused by the controller or denied
by an operator, 4 nobody decided in time.`, p.Conf),
		Example: fmt.Sprintf(`  %[1]s enroll --request --id %[2]s-local-01 --controller-addr ctl.example.com:8443 --controller-ca-path ca.crt

  %[1]s enroll --controller-addr ctl.example.com:8443 --controller-ca-path ca.crt \
      --%[2]s-id %[2]s-local-01 --token-file -      # paste the token, end with ctrl-d

  CONTROLLER_ADDR=127.0.0.1:8443 CONTROLLER_CA_PATH=ca.crt %[3]s_ID=%[2]s-local-01 \
      ENROLLMENT_TOKEN=... %[1]s enroll`, p.Name, p.Kind, strings.ToUpper(string(p.Kind))),
	}
	l := loader(defaultEnrollSettings(), cmd)
	if p.Kind == identity.KindConnector {
		hide(cmd, "tunneler-id", "connector-addr")
	} else {
		hide(cmd, "connector-private-ip")
	}
	fs := cmd.Flags()
	fs.StringVar(&e.tokenFile, "token-file", "", "`file` with the enrollment token, - is standard input (default $"+enrollclient.TokenEnv+", or systemd's credential)")
	fs.StringVar(&e.conf, "conf", p.Conf, "conf `file` to write; empty writes none")
	fs.StringVar(&e.unit, "systemd-unit", "", "`unit` the program will run as; empty where it does not run under systemd")
	fs.IntVar(&e.runAs, "run-as", os.Getuid(), "numeric `user` the program will run as, where it does not run under systemd")
	fs.StringVar(&e.binary, "binary", "", "`path` of the program that will run (default this one)")
	fs.BoolVar(&e.newHost, "new-host", false, "put an existing enrollment of this host aside and make a new key")
	fs.BoolVar(&e.ephemeral, "ephemeral", false, "for a host without a disk: key in memory, a new token is needed after each absence")
	fs.BoolVar(&e.once, "once", false, "do nothing, and read no token, where the conf file says that this id was enrolled here; for what runs at each start")
	e.registerRequest(cmd)
	cmd.MarkFlagsMutuallyExclusive("once", "new-host")
	fs.Lookup("run-as").DefValue = "your own" // in the manual too, whoever builds it
	cmd.PreRunE = func(*cobra.Command, []string) (err error) {
		if e.set, err = l.Load(fs); err != nil {
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
		if err != nil || done {
			return err
		}
	}
	anchors, err := bootstrap.LoadAnchors(e.set.ControllerCAPath)
	if err != nil {
		return err
	}
	var token enrollclient.Token
	if !e.ask {
		token, err = enrollclient.TokenSource{
			File: e.tokenFile, Sealed: e.sealed, Identities: e.identities, Stdin: e.stdin, Getenv: os.Getenv, Warn: e.say,
		}.Read()
		if err != nil {
			return cli.UsageError(err)
		}
	}
	client, err := enrollclient.New(enrollclient.Config{
		Address: e.set.ControllerAddr, Anchors: anchors, TrustDomain: e.td, Progress: e.say, Timeout: e.timeLimit(),
	})
	if err != nil {
		return cli.UsageError(err)
	}
	req, err := e.request(token)
	if err != nil {
		return err
	}
	var got enrollclient.Result
	if e.ask {
		got, err = e.await(ctx, client, req)
	} else {
		got, err = client.Enroll(ctx, req)
	}
	if errors.Is(err, enrollclient.ErrRefused) {
		return cli.CodedError(exitDenied, err) // nothing is bound to the host's key, unlike after other failures
	}
	if err != nil {
		return err
	}
	if err := e.writeConf(got.Reply); err != nil {
		return fmt.Errorf("the host is enrolled, but its conf file was not written: %w", err)
	}
	if d := e.program.Directory; d != nil && e.set.StateDir != "" {
		if err := d(e.set.StateDir, e.runAs, got.Reply.GetDirectory()); err != nil {
			e.say(fmt.Sprintf("the first directory is not kept, so the first start needs a controller: %v", err))
		}
	}
	e.lookAtConnectorAddr(ctx, got.Reply)
	return e.report(got)
}

// done says whether this role was enrolled before. The conf file is written last,
// and only enrollment knows the control plane.
func (e *enrollment) done() (bool, error) {
	dir := hostagent.Dir{Root: e.set.HostDir}
	if _, err := os.Stat(dir.HostFile()); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	text, err := atomicfile.Read(e.conf, maxConf)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var id, control bool
	for line := range strings.Lines(string(text)) {
		id = id || strings.TrimSpace(line) == e.program.idKey()+"="+e.set.id(e.program.Kind)
		control = control || keyOf(line) == "CONTROL_PLANE_ADDRS"
	}
	if id && control {
		e.say("enrolled already: nothing to do")
	}
	return id && control, nil
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

// writeConf sets what enrollment knows in the conf file and leaves the rest.
func (e *enrollment) writeConf(reply *zerotrustv1.EnrollResponse) error {
	if e.conf == "" {
		return nil
	}
	text, err := atomicfile.Read(e.conf, maxConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	control := reply.GetControlPlaneAddresses()
	if len(control) == 0 { // those that it told are not for us
		control = beside(e.set.ControllerAddr, nil)
	}
	entries := []entry{
		{"CONTROLLER_ADDR", e.set.ControllerAddr},
		{"CONTROL_PLANE_ADDRS", strings.Join(control, ",")},
		{"CONNECTOR_ID", e.set.ConnectorID},
		{"CONTROLLER_CA_PATH", hostagent.Dir{Root: e.set.HostDir}.ControllerCA()},
		{"TRUST_DOMAIN", e.td.Name()},
		{"SPIFFE_ENDPOINT_SOCKET", e.set.SpiffeSocket},
		{"STATE_DIR", e.set.StateDir},
	}
	if e.program.Kind == identity.KindTunneler {
		entries = append(entries, entry{"TUNNELER_ID", e.set.TunnelerID}, entry{"CONNECTOR_ADDR", e.set.ConnectorAddr})
	} else {
		entries = append(entries, entry{"CONNECTOR_PRIVATE_IP", e.set.ConnectorPrivateIP})
	}
	entries = append(entries, e.selectors()...)
	merged, err := mergeConf(string(text), entries)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(e.conf), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(e.conf, []byte(merged), 0o644)
}

// selectors note as what SPIRE knows the program, for doctor. A path or unit that the
// file cannot hold is left out: it is no reason to fail an enrollment.
func (e *enrollment) selectors() (out []entry) {
	as := "systemd:" + e.unit
	if e.unit == "" {
		as = fmt.Sprintf("uid:%d", e.runAs)
	}
	path, _ := executable(e.binary) // found before the token was spent
	for _, s := range []entry{{"ENROLLED_AS", as}, {"ENROLLED_BINARY", path}} {
		if plain.MatchString(s.value) {
			out = append(out, s)
		}
	}
	return out
}

// report tells what was done and what to do next.
func (e *enrollment) report(got enrollclient.Result) error {
	if e.out.String() == cli.OutputJSON {
		return e.event(enrolledEvent{
			Event: "enrolled", SPIFFEID: got.SPIFFEID, HostID: string(got.HostID), HostDir: e.set.HostDir, Conf: e.conf, SecondRole: got.SecondOne,
		})
	}
	host := "host " + string(got.HostID)
	if got.SecondOne {
		host += " (enrolled before, its key is kept)"
	}
	lines := []string{
		fmt.Sprintf("enrolled %s on %s", got.SPIFFEID, host),
		"  host files  " + e.set.HostDir,
	}
	if e.conf != "" {
		lines = append(lines, "  conf file   "+e.conf)
	}
	lines = append(lines, "next:")
	if e.unit != "" {
		lines = append(lines, "  systemctl enable --now spire-agent.service "+e.unit)
	} else {
		lines = append(lines,
			fmt.Sprintf("  %s agent run --host-dir %s --spiffe-endpoint-socket %s", e.program.Name, e.set.HostDir, e.set.SpiffeSocket),
			fmt.Sprintf("  %s run --config %s", e.program.Name, e.conf))
	}
	_, err := fmt.Fprintln(e.stdout, strings.Join(lines, "\n"))
	return err
}

func (e *enrollment) say(text string) { _, _ = fmt.Fprintf(e.stderr, "%s: %s\n", e.program.Name, text) }
