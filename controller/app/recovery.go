package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/backup"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
)

func recoveryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recovery",
		Short: "Make the recovery key, and take over after a restore with it",
		Long: `Hosts do not follow a controller that was restored from a backup: it looks like somebody
who put an old database in the place of the real one. The recovery key distinguishes them.
Make it once, keep it away from the controller, and sign with it after a restore.`,
		Example: `  sudo grpccontroller recovery init --out /root/recovery-key      # then move it away
  sudo grpccontroller recovery start --key-file /root/recovery-key    # after a restore`,
	}
	cmd.AddCommand(recoveryInit(), recoveryStart())
	return cmd
}

// makeKey is one run of recovery init.
type makeKey struct {
	out, sealTo string
	replace     bool
}

func recoveryInit() *cobra.Command {
	var m makeKey
	cmd := cli.OnDataDir(&cobra.Command{
		Use:   "init",
		Short: "Make the recovery key and print it, once",
		Long: `Make the recovery key and print it: one line. It is not stored on this host and cannot be
shown again. Write it down or put it into your password store; whoever has it and a backup
can take the fleet over. The controller keeps the public half, which hosts pin when they
are enrolled, and within seconds if they are connected. It may run meanwhile.

Exit codes: 0 the key is made, 1 it is not, 2 wrong usage or configuration.`,
		Example: `  sudo grpccontroller recovery init
  sudo grpccontroller recovery init --seal-to age1… --out /root/recovery-key.age`,
	}, loader(), m.run)
	cmd.Flags().StringVar(&m.out, "out", "", "`file` to write the key to (mode 0600) instead of printing it; move it away from this host")
	cmd.Flags().StringVar(&m.sealTo, "seal-to", "", "age or SSH public `key`: the recovery key is printed encrypted for its owner")
	cmd.Flags().BoolVar(&m.replace, "replace", false, "replace a key that is lost; hosts keep the one that they pinned until root resets them")
	return cmd
}

func (m *makeKey) run(cmd *cobra.Command, cfg config.Config) error {
	seal := func(text string) (string, error) { return text, nil }
	if m.sealTo != "" {
		to, err := keys.ParseRecipient(m.sealTo)
		if err != nil {
			return cli.UsageError(fmt.Errorf("--seal-to: %w", err))
		}
		seal = func(text string) (string, error) { return keys.SealToken(to, text+"\n") }
	}
	if _, err := os.Lstat(m.out); err == nil { // before there is a key that nobody has
		return fmt.Errorf("%s exists already, and may hold another key: remove it, or name another file", m.out)
	}
	return onStore(cmd.Context(), cfg, func(s *store.Store, td string, by audit.Event) error {
		k, err := recovery.Init(cmd.Context(), s, td, m.replace, by, func(private string) error {
			text, err := seal(private)
			if err != nil {
				return err
			}
			return m.hand(cmd.OutOrStdout(), strings.TrimSuffix(text, "\n")+"\n")
		})
		if err != nil {
			return fmt.Errorf("no recovery key was made: %w", err)
		}
		where := fmt.Sprintf("This is the recovery key of %s. It is not stored here and is not shown again: keep it away from this host.", td)
		if m.out != "" {
			where = fmt.Sprintf("The recovery key of %s is in %s and nowhere else: move that file away from this host.", td, m.out)
		}
		_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%s\nHosts pin its public half: %s\n", where, k.Public)
		return err
	})
}

func (m *makeKey) hand(w io.Writer, text string) error {
	if m.out != "" {
		return atomicfile.Create(m.out, []byte(text), 0o600)
	}
	_, err := io.WriteString(w, text)
	return err
}

// takeOver is one run of recovery start.
type takeOver struct {
	keyFile, reason string
	after           uint64
}

func recoveryStart() *cobra.Command {
	var t takeOver
	cmd := cli.OnDataDir(&cobra.Command{
		Use:   "start",
		Short: "Begin a new timeline after a restore, with the recovery key",
		Long: `Sign, with the recovery key, that this restored or rebuilt controller is the one to follow
from now on. Run it after "restore" and before the controller starts. Hosts that pinned
the key then take its policy and the audit log that it has, without being touched; what
they witnessed of the former one they keep. The statement is in the audit log.

However its database was put back, the controller then collects the revocations that
connectors hold before it admits anybody, and enrollment tokens of before are void.

The key is read from the terminal without being shown, from standard input, or from
--key-file, and is not stored. One that is sealed with age: age -d -i identity.txt
recovery-key.age | grpccontroller recovery start --reason "…"

Use it on one controller only: two statements for one timeline stop the hosts that see
both. If hosts already follow a later timeline than the backup knows, their status says
which: name it with --after. To run it again before the controller has started changes
nothing.

Exit codes: 0 the timeline begins, 1 it does not, 2 wrong usage or configuration.`,
		Example: `  sudo grpccontroller recovery start --reason "disk of ctl-1 died, backup of Sunday"
  sudo grpccontroller recovery start --reason "moved" --key-file /run/media/usb/recovery-key`,
	}, loader(), t.run)
	cmd.Flags().StringVar(&t.keyFile, "key-file", "", "`file` that has the recovery key; standard input, or a question at the terminal, otherwise")
	cmd.Flags().StringVar(&t.reason, "reason", "restored from a backup", "`text` for the audit log and the hosts, one line")
	cmd.Flags().Uint64Var(&t.after, "after", 0, "newest `timeline` that hosts follow, if it is later than the one in the backup")
	return cmd
}

func (t *takeOver) run(cmd *cobra.Command, cfg config.Config) error {
	if err := timeline.CheckReason(t.reason); err != nil {
		return cli.UsageError(fmt.Errorf("--reason: %w", err))
	}
	if t.after >= timeline.MaxNumber {
		return cli.UsageError(fmt.Errorf("--after: must be less than %d", uint64(timeline.MaxNumber)))
	}
	p := paths(cfg.DataDir)
	if _, err := os.Lstat(p.database()); err != nil {
		return noData(cfg, err)
	}
	unlock, err := lockDataDir(p)
	if err != nil {
		return fmt.Errorf("%w (with systemd: `systemctl stop grpccontroller.service`)", err)
	}
	defer unlock()
	if err := backup.Incomplete(cfg.DataDir); err != nil {
		return err
	}
	text, err := t.key(cmd)
	if err != nil {
		return err
	}
	return onStore(cmd.Context(), cfg, func(s *store.Store, td string, by audit.Event) error {
		key, err := timeline.ParseKey(text, td)
		if err != nil {
			return err
		}
		verifier, err := audit.ReadVerifierKey(p.audit())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		begun, err := recovery.Begin(cmd.Context(), s, recovery.Beginning{
			TrustDomain: td, Key: key, VerifierKey: verifier, After: t.after, Reason: t.reason, By: by,
		})
		switch {
		case errors.Is(err, recovery.ErrBegun):
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "timeline %d has begun already, and no controller has run on this database since: nothing was changed; start the controller\n"+
				"If hosts follow timeline %[1]d already, this database is a copy: run this again with --after and the newest timeline that they follow.\n", begun.Number)
			return err
		case err != nil:
			return fmt.Errorf("timeline not begun: %w", err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "timeline %d begins: start the controller, and hosts that pinned the recovery key follow it\n"+
			"At its start it first collects the revocations that connectors hold, and admits nobody until then. Enrollment tokens that were issued before are void.\n"+
			"Note the number with the key: after another restore, hosts follow only a later one.\n", begun.Number)
		return err
	})
}

// maxKeyText bounds what is read as a recovery key.
const maxKeyText = 4 << 10

// key reads the recovery key, which is in no argument and no variable: others can read
// these.
func (t *takeOver) key(cmd *cobra.Command) (string, error) {
	if t.keyFile != "" {
		raw, err := atomicfile.Read(t.keyFile, maxKeyText)
		return string(raw), err
	}
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		_, _ = fmt.Fprint(cmd.ErrOrStderr(), "Recovery key: ")
		raw, err := term.ReadPassword(int(f.Fd()))
		_, _ = fmt.Fprintln(cmd.ErrOrStderr())
		return string(raw), err
	}
	return keys.ReadSecret(cmd.InOrStdin(), maxKeyText)
}

func noData(cfg config.Config, err error) error {
	return fmt.Errorf("no controller data in %s: %w: set --data-dir, and run this as root or as the controller's user", cfg.DataDir, err)
}

// onStore runs fn on the database that exists, with the trust domain of the controller that
// ran on it last, as events of this process.
func onStore(ctx context.Context, cfg config.Config, fn func(s *store.Store, trustDomain string, by audit.Event) error) (err error) {
	p := paths(cfg.DataDir)
	if _, err := os.Stat(p.database()); err != nil {
		return noData(cfg, err)
	}
	s, err := store.Open(ctx, p.database())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	td, id := ranAs(p)
	if key, err := audit.ReadVerifierKey(p.audit()); err == nil { // of a restored directory, where none ran yet
		name, _, _ := strings.Cut(key, audit.Origin("")+"+")
		td = cmp.Or(td, name)
	}
	return fn(s, cmp.Or(td, cfg.TrustDomain), audit.Event{
		Time: time.Now().UTC(), Actor: auth.LocalActor, Source: localsocket.Self().String(), Target: "controller/" + cmp.Or(id, cfg.ControllerID),
	})
}
