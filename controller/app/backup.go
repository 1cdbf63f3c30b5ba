package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/backup"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
)

// backedUp is what a backup of this controller has. Everything else in the data
// directory is made anew at the start.
func backedUp() backup.Contents {
	return backup.Contents{
		Database: "controller.db", Databases: []string{"spire/server/datastore.sqlite3"}, SealKey: "seal.key",
		Files: []string{"bootstrap", "audit", "release.key", "acme", "spire/server/keys.json"},
	}
}

// ranAs is the trust domain and the id of the controller that ran on the data directory
// last: this command may be without the environment of the unit. They are empty where
// none did.
func ranAs(p paths) (trustDomain, id string) {
	raw, err := atomicfile.Read(p.runFile(), maxRunFile)
	var at runFile
	if err != nil || json.Unmarshal(raw, &at) != nil || at.Config == nil {
		return "", ""
	}
	return at.TrustDomain, at.Config.ControllerID
}

func backupCommand() *cobra.Command {
	var sealKey bool
	cmd := cli.OnDataDir(&cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup of this controller into one file",
		Long: `Write the database, SPIRE's datastore and keys, the bootstrap CA and the keys of the audit
log and of releases into one tar file of mode 0600. The controller may run meanwhile. An
existing file is not overwritten; FILE appears when everything is on the disk.

The file has private keys that can admit anybody: keep it as you keep those, for example
encrypted with age. The seal key is in it only with --with-seal-key. Without that key a
restored controller cannot read second factors, which people then set up again.

With an external SPIRE, back up its datastore and keys too, by its own means.

Exit codes: 0 the backup is written, 1 it is not, 2 wrong usage or configuration.`,
		Example: `  grpccontroller backup /root/grpccontroller-$(date +%F).tar
  grpccontroller backup --with-seal-key /root/grpccontroller-$(date +%F).tar`,
		Args: cli.Arguments("FILE"), ValidArgsFunction: filenames,
	}, loader(), func(cmd *cobra.Command, cfg config.Config) error {
		return writeBackup(cmd, cfg, sealKey, cmd.Flags().Arg(0))
	})
	cmd.Flags().BoolVar(&sealKey, "with-seal-key", false, "include the seal key: whoever has the file can then read second factors too")
	return cmd
}

func filenames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func writeBackup(cmd *cobra.Command, cfg config.Config, sealKey bool, file string) error {
	p := paths(cfg.DataDir)
	if _, err := os.Stat(p.database()); err != nil {
		return fmt.Errorf("no controller data in %s: %w: set --data-dir, and run this as root or as the controller's user", cfg.DataDir, err)
	}
	unlock, err := lockWhileStopped(p)
	if err != nil {
		return err
	}
	defer unlock()
	if err := backup.Incomplete(cfg.DataDir); err != nil {
		return err
	}
	td, id := ranAs(p)
	made, err := backup.Make(cmd.Context(), backup.MakeConfig{
		Dir: cfg.DataDir, Contents: backedUp(), SealKey: sealKey, Now: time.Now, Progress: progress(cmd),
		Manifest: backup.Manifest{
			TrustDomain: cmp.Or(td, cfg.TrustDomain), ControllerID: cmp.Or(id, cfg.ControllerID), Version: cli.Version().Version,
		},
	}, file)
	if err != nil {
		return fmt.Errorf("backup not written: %w", err)
	}
	if err := noteBackup(cmd.Context(), cfg, file); err != nil {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "the backup is not in the audit log: %v\n", err)
	}
	return describeBackup(cmd.OutOrStdout(), file, made)
}

// noteBackup records the backup after it is made: the audit log that connectors witness from
// now on is not the one in the file, so whoever steals that cannot show them a log that
// they accept.
func noteBackup(ctx context.Context, cfg config.Config, file string) error {
	return onStore(ctx, cfg, func(s *store.Store, _ string, by audit.Event) error {
		by.Action, by.Outcome, by.Reason = audit.BackUp, audit.Success, filepath.Base(file)
		return s.AppendAudit(ctx, by)
	})
}

func describeBackup(w io.Writer, file string, made backup.Made) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  files    %d, %d KiB\n  sha256   %s\n", file, len(made.Manifest.Entries), (made.Size+1023)>>10, made.SHA256)
	if !made.Manifest.SealKey {
		b.WriteString("  without the seal key (--with-seal-key): after a restore people set up their second factor again\n")
	}
	if !made.Manifest.SPIRE {
		b.WriteString("  SPIRE is external: back up its datastore and keys too\n")
	}
	b.WriteString("It has private keys that can admit anybody: keep it encrypted, and away from this host.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// progress shows each step to a person at a terminal.
func progress(cmd *cobra.Command) func(string) {
	w := cmd.ErrOrStderr()
	if !isTerminal(w) {
		return nil
	}
	return func(step string) { _, _ = fmt.Fprintln(w, step) }
}

// lockWhileStopped keeps a controller from starting while its stopped data directory is
// read; one that runs may continue. It makes no file: root's would keep the controller out.
func lockWhileStopped(p paths) (unlock func(), err error) {
	f, err := os.OpenFile(p.lock(), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		_ = f.Close()
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

func restoreCommand() *cobra.Command {
	var force bool
	cmd := cli.OnDataDir(&cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup of this controller back",
		Long: `Verify the backup and put it into the data directory. The controller must not run. Until
everything is verified, nothing is changed.

A data directory that has contents needs --force: the contents are put aside there, in
before-restore-<time>, and the revocations that their database knows are carried over.
What was revoked after the backup is revoked in the restored controller then.

Connectors keep revocations and refuse a policy or an audit log that is older than what
they have seen. Run "grpccontroller recovery start" with the recovery key before the
controller starts; without the key, run "grpcconnector witness reset --yes" and
"grpctunneler directory reset --yes" as root on each host. Enroll again the hosts that
were enrolled after the backup.

Exit codes: 0 restored, 1 not restored, 2 wrong usage or configuration.`,
		Example: `  grpccontroller restore /root/grpccontroller.tar
  grpccontroller restore --force /root/grpccontroller.tar      # what is there is put aside`,
		Args: cli.Arguments("FILE"), ValidArgsFunction: filenames,
	}, loader(), func(cmd *cobra.Command, cfg config.Config) error {
		return putBack(cmd, cfg, force, cmd.Flags().Arg(0))
	})
	cmd.Flags().BoolVar(&force, "force", false, "put the contents of the data directory aside, into a directory in it")
	return cmd
}

func putBack(cmd *cobra.Command, cfg config.Config, force bool, file string) error {
	if _, err := os.Stat(file); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w: check owner and permissions, or set data_dir", err)
	}
	p := paths(cfg.DataDir)
	unlock, err := lockDataDir(p)
	if err != nil {
		return err
	}
	defer unlock()
	td, _ := ranAs(p)
	out, err := backup.Restore(cmd.Context(), backup.RestoreConfig{
		Dir: cfg.DataDir, Contents: backedUp(), TrustDomain: td, Keep: []string{filepath.Base(p.lock())}, Force: force,
		By: audit.Event{Actor: auth.LocalActor, Source: localsocket.Self().String()}, Now: time.Now, Progress: progress(cmd),
	}, file)
	if err != nil {
		return fmt.Errorf("not restored: %w", err)
	}
	return describeRestore(cmd.OutOrStdout(), cfg, out)
}

func describeRestore(w io.Writer, cfg config.Config, out backup.Restored) error {
	var b strings.Builder
	fmt.Fprintf(&b, "restored %s from the backup of %s, of %s in the trust domain %s\n", cfg.DataDir,
		out.Manifest.CreatedAt.Format(time.RFC3339), out.Manifest.ControllerID, out.Manifest.TrustDomain)
	if out.Before != "" {
		fmt.Fprintf(&b, "  what was there is in %s: delete it when all is well, it has private keys\n", out.Before)
	}
	if n := len(out.Carried.Revoked); n > 0 {
		fmt.Fprintf(&b, "  revoked after the backup, and again now: %s\n", strings.Join(out.Carried.Revoked, ", "))
	}
	if out.Lost != nil {
		fmt.Fprintf(&b, "  NO revocations could be carried over from it: %v\n", out.Lost)
	} else if out.Before == "" {
		b.WriteString("  there was no database to carry revocations from\n")
	}
	if out.Void > 0 {
		fmt.Fprintf(&b, "  enrollment tokens of the backup that are void now, issue others: %d\n", out.Void)
	}
	b.WriteString("  at its start the controller first collects the revocations that connectors hold, and admits nobody until then\n")
	if !out.Manifest.SealKey {
		b.WriteString("  without the seal key: people set up their second factor again (`grpccontroller admin reset-owner` for the first one)\n")
	}
	b.WriteString("Now run `grpccontroller recovery start` with the recovery key, so that hosts follow this controller, and start it.\n" +
		"Without the key, start it and run `grpcconnector witness reset --yes` as root on each connector;\n" +
		"docs/backup.md says what else it takes.\n")
	_, err := io.WriteString(w, b.String())
	return err
}
