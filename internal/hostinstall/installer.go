package hostinstall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Options are the ways to call install.
type Options struct{ Force, Uninstall, DryRun, Version, AcceptKey bool }

// Config is what a run gets from outside.
type Config struct {
	Kind      identity.Kind
	Host      Host
	Options   Options
	Variables Variables
	// Token is the one from the environment, Stdin and Ask where it may come from
	// otherwise; Ask is nil where there is nobody to ask.
	Token string
	Stdin io.Reader
	Ask   func(prompt string) (string, error)
	// Fetched is a directory with what setup.sh downloaded; may be empty.
	Fetched string
	// MaxUnpacked is how many bytes an archive may unpack to; 0 is 1 GiB.
	MaxUnpacked int64
	Out, Err    io.Writer
	// BringOnline starts the units and waits until the program is ready:
	// hostcmd.BringOnline, for the program.
	BringOnline func(ctx context.Context, s hostcmd.Start) error
	// Shield is called before a rollback, which no signal may end.
	Shield func()
}

// Installer is one run.
type Installer struct {
	cfg     Config
	role    role
	host    Host
	opt     Options
	vars    Variables
	td      spiffeid.TrustDomain
	paint   cli.Paint
	step    string // what is being done, for the message should it fail
	hint    string // what to say beside a failure
	changes *Changes
	work    string // a directory of this run

	// keepKey: the controller may have bound the token to the host's key.
	keepKey bool
	backup  string // of the conf file
	locked  *os.File
}

// New makes a run.
func New(cfg Config) *Installer {
	if cfg.Shield == nil {
		cfg.Shield = func() {}
	}
	return &Installer{
		cfg: cfg, role: roleOf(cfg.Kind), host: cfg.Host, opt: cfg.Options, vars: cfg.Variables, paint: cli.NewPaint(cfg.Out), changes: NewChanges(cfg.Host),
	}
}

// Run does what the options say. Exit codes are in the errors, for cli.Execute.
func (i *Installer) Run(ctx context.Context) error {
	defer func() {
		if i.locked != nil {
			_ = i.locked.Close()
		}
	}()
	switch {
	case i.opt.Uninstall:
		return i.uninstall(ctx)
	case i.opt.Version:
		return i.versions(ctx)
	}
	err := i.install(ctx)
	if err != nil {
		err = i.failed(ctx, err)
	}
	if i.work != "" {
		_ = os.RemoveAll(i.work)
	}
	return err
}

func (i *Installer) begin(format string, args ...any) {
	i.step = fmt.Sprintf(format, args...)
	_, _ = fmt.Fprintln(i.cfg.Out, i.paint.Bold("==> "+i.step))
}

func (i *Installer) say(format string, args ...any) {
	_, _ = fmt.Fprintf(i.cfg.Out, "    "+format+"\n", args...)
}

func (i *Installer) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(i.cfg.Err, "%s: %s\n", i.role.program, fmt.Sprintf(format, args...))
}

// complete is an error that needs no more words; to others the failed step is added.
type complete struct{ text string }

func (e *complete) Error() string { return e.text }

func completely(format string, args ...any) error { return &complete{fmt.Sprintf(format, args...)} }

// failed takes back what was done and makes one message of what happened and of the
// state that the host is in.
func (i *Installer) failed(ctx context.Context, err error) error {
	var (
		refused *refusal
		whole   *complete
		text    string
	)
	switch {
	case errors.As(err, &refused):
		return cli.CodedError(cli.ExitUsage, err)
	case errors.As(err, &whole):
		text = whole.text
	case ctx.Err() != nil:
		text = "interrupted: " + i.step
	default:
		text = fmt.Sprintf("failed: %s: %v", i.step, err)
	}
	if i.changes.Empty() {
		if i.hint != "" {
			return errors.New(text + "; " + i.hint)
		}
		return errors.New(text + ". Nothing was changed.")
	}
	i.cfg.Shield()
	i.begin("Rolling back")
	if !i.host.exists(hostDir + "/host.key") {
		i.keepKey = false
	}
	switch faults := i.changes.RollBack(context.WithoutCancel(ctx)); {
	case faults != nil:
		text += fmt.Sprintf("\nthe host is NOT as it was, because of this:\n%v\nThe same command with --uninstall removes all of it.", faults)
	case i.keepKey:
		text += fmt.Sprintf(". Everything is as it was, except for %s: the controller may have enrolled this host's key, which is kept there. "+
			"Run the same command again with the same token.", hostDir)
	default:
		text += ". Everything is as it was."
	}
	if i.hint != "" {
		text += "\n" + i.hint
	}
	return errors.New(text)
}

// refusal is a host or a usage with which nothing is begun.
type refusal struct{ faults []string }

func (r *refusal) Error() string {
	if len(r.faults) == 1 {
		return "nothing was touched: " + r.faults[0]
	}
	return "nothing was touched, because:\n  - " + strings.Join(r.faults, "\n  - ")
}

// faults collects all that is wrong before anything is touched.
type faults []string

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

func (f *faults) err() error {
	if len(*f) == 0 {
		return nil
	}
	return &refusal{*f}
}

// lockFile is root's alone. Any user may open /etc, and so hold a lock on it.
const lockFile = "/run/grpc-setup.lock"

// lock: two runs on one host would undo each other's work. It holds until the run has
// ended, the way back included.
func (i *Installer) lock() error {
	f, err := os.OpenFile(i.host.at(lockFile), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(f.Chmod(0o600), syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	if err == nil {
		i.locked = f
		return nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return &refusal{[]string{"another setup runs on this host: wait until it has ended"}}
	}
	return err
}

// workDir makes a directory that is nobody else's; it is gone at the end.
func (i *Installer) workDir() (err error) {
	i.work, err = os.MkdirTemp("", "grpc-install.")
	return err
}

func ownerOf(info os.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// absolute is for what a program gets that may run elsewhere.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
