// Command demo starts the whole system on this machine: a controller with SPIRE
// and two hosts, one with a connector and one with a tunneler, enrolled by the
// real commands, and a web server that the tunneler is granted. It shows SVIDs change while
// streams stay open, and a curl to paste that is refused once the grant is withdrawn. With -check it
// looks at the same things unattended and exits 0 or 1. It installs nothing: all files are
// in a directory that ends with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

func main() {
	check := flag.Bool("check", false, "check unattended and exit 0 or 1")
	bin := flag.String("bin", "bin", "directory of the programs")
	flag.Parse()
	if flag.Arg(0) != job && ownsTerminal() {
		code, err := runAsJob()
		if err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
			code = 1
		}
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, *bin, *check)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run owns the temporary directory: whatever happens, nothing outlives it.
func run(ctx context.Context, bin string, check bool) (err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "zt-demo-")
	if err != nil {
		return err
	}
	d := &demo{bin: bin, dir: dir}
	defer func() {
		err = errors.Join(err, d.stop(), os.RemoveAll(dir))
	}()
	if err := d.start(ctx); err != nil {
		return interrupted(ctx, err)
	}
	if check {
		return interrupted(ctx, d.check(ctx))
	}
	return d.show(ctx)
}

func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

// demo is the running system.
type demo struct {
	bin, dir   string
	controller *world.Controller
	connector  *world.Host
	tunneler   *world.Host
	token      string // the connector's, spent
	website    *website
	socks      string // where the tunneler has SOCKS5
}

// shortLife is short enough that one sees rotations: SPIRE renews at half of it.
const shortLife = "1m"

func (d *demo) start(ctx context.Context) error {
	step := stepper()
	step("starting the controller, spire-server and its agent")
	d.controller = world.NewController(d.bin, filepath.Join(d.dir, "controller"),
		"--svid-ttl-connector", shortLife, "--svid-ttl-tunneler", shortLife, "--spire-attestation-limit=false")
	if err := d.controller.Start(ctx); err != nil {
		return err
	}
	d.connector = d.controller.NewHost(filepath.Join(d.dir, "host-a"), "connector", "connector-local-01")
	d.tunneler = d.controller.NewHost(filepath.Join(d.dir, "host-b"), "tunneler", "tunneler-local-01")
	var err error
	if d.website, err = startWebsite(d.connector.ID); err != nil {
		return err
	}
	if d.socks, err = freeAddress("1080"); err != nil {
		return err
	}
	d.tunneler.Env = []string{"SOCKS_LISTEN=" + d.socks}
	for _, h := range []*world.Host{d.connector, d.tunneler} {
		step("enrolling " + h.ID + " with a one-time token")
		token, err := h.EnrollWithToken(ctx)
		if err != nil {
			return err
		}
		if h == d.connector {
			d.token = token
		}
		if err := h.Start(); err != nil {
			return err
		}
	}
	api := d.controller.Client()
	step("waiting for both to be ONLINE")
	for _, h := range []*world.Host{d.connector, d.tunneler} {
		if err := world.Eventually(ctx, 30*time.Second, h.ID+" ONLINE", func(ctx context.Context) error { return h.Online(ctx, api) }); err != nil {
			return fmt.Errorf("%w\n--- %s\n%s\n--- %s\n%s", err, h.Agent.Log, h.Agent.Tail(10), h.Program.Log, h.Program.Tail(10))
		}
	}
	step("both are ONLINE")
	step("letting " + d.tunneler.ID + " reach a web server behind " + d.connector.ID)
	return d.grantWebsite(ctx, api)
}

// stop ends everything in the other order.
func (d *demo) stop() error {
	var errs []error
	for _, h := range []*world.Host{d.tunneler, d.connector} {
		if h != nil {
			errs = append(errs, h.Stop())
		}
	}
	if d.website != nil {
		errs = append(errs, d.website.stop())
	}
	if d.controller != nil && d.controller.Process != nil {
		_, err := d.controller.Stop()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// stepper prints what is going on, with the time since the start.
func stepper() func(string) {
	begin := time.Now()
	return func(what string) { fmt.Printf("%6.1fs  %s\n", time.Since(begin).Seconds(), what) }
}
