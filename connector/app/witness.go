package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

func witnessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "witness",
		Short: "Show or reset the checkpoint of the controller's audit log that this connector keeps",
		Long: `A connector keeps the newest signed checkpoint of the controller's audit log, and
accepts only a log that extends it. When the controller shows another one (its
database was restored from a backup, or somebody rewrote it) the connector keeps
its last policy, refuses newer ones and is not ready.`,
	}
	cmd.AddCommand(witnessShow(), witnessReset())
	return cmd
}

func witnessPath(cmd *cobra.Command, cfg Config) (string, error) {
	dir := hostcmd.StateOf(cfg.StateDir, StateDir, cmd.Flags())
	if dir == "" {
		return "", cli.UsageError(fmt.Errorf("STATE_DIR is empty and there is no %s: this connector keeps no witness file", StateDir))
	}
	return filepath.Join(dir, witness.FileName), nil
}

func witnessShow() *cobra.Command {
	var out cli.Output
	cmd := cli.Configured(&cobra.Command{
		Use:     "show",
		Short:   "Show the witnessed checkpoint, and why the last one was refused",
		Example: "  grpcconnector witness show\n  grpcconnector witness show -o json",
	}, Loader(), func(cmd *cobra.Command, cfg Config) error {
		path, err := witnessPath(cmd, cfg)
		if err != nil {
			return err
		}
		f, err := witness.Load(path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("nothing witnessed yet: there is no %s", path)
		}
		if err != nil {
			return err
		}
		return out.Write(cmd.OutOrStdout(), f, func(w io.Writer) error {
			return errors.Join(writeWitness(w, f), writeTimeline(w, filepath.Dir(path), cfg.TrustDomain))
		})
	})
	cli.ShowOnly(cmd.Flags(), "config", "connector-id", "state-dir", "trust-domain")
	out.Register(cmd.Flags())
	return cmd
}

func writeWitness(w io.Writer, f witness.File) error {
	kept, err := f.Kept()
	if err != nil {
		return err
	}
	state := "accepted"
	if f.Failure != "" {
		state = "REFUSED since " + f.FailedAt.Format(time.RFC3339) + ": " + f.Failure
	}
	_, err = fmt.Fprintf(w, "witness    %s\nlog        %s\nrecords    %d at %s\nroot hash  %s\nkey        %s\nnewest     %s\n",
		f.Connector, kept.Checkpoint.Origin, kept.Checkpoint.Size, f.WitnessedAt.Format(time.RFC3339), kept.Checkpoint.Root, f.VerifierKey, state)
	if err == nil && f.Refused != "" {
		_, err = fmt.Fprintf(w, "\nThe refused checkpoint, as it was sent:\n%q\n", f.Refused)
	}
	return err
}

// writeTimeline shows what the connector pinned, and the takeover that it follows.
func writeTimeline(w io.Writer, dir, trustDomain string) error {
	k, err := timeline.Load(filepath.Join(dir, timeline.FileName), trustDomain)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = fmt.Fprintln(w, "\ntimeline   no recovery key is pinned")
		return err
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\ntimeline   %d\npinned     %s at %s\n", k.Number, k.RecoveryKey, k.PinnedAt.Format(time.RFC3339)); err != nil {
		return err
	}
	if s, ok := k.Begun(); ok {
		if _, err := fmt.Fprintf(w, "takeover   at %s: %s\n", k.AcceptedAt.Format(time.RFC3339), s.Reason); err != nil {
			return err
		}
	}
	before, _ := filepath.Glob(filepath.Join(dir, witness.FileName+".*")) // the pattern is good
	for _, file := range before {
		if _, err := fmt.Fprintf(w, "before     %s\n", file); err != nil {
			return err
		}
	}
	if k.Conflict != "" {
		_, err = fmt.Fprintf(w, "\nSTOPPED since %s: two statements for timeline %d. The other one, as it was sent:\n%q\n", k.ConflictAt.Format(time.RFC3339), k.Number, k.Conflict)
	}
	return err
}

func witnessReset() *cobra.Command {
	var yes bool
	cmd := cli.Configured(&cobra.Command{
		Use:   "reset",
		Short: "Forget the witnessed checkpoint, after a restore that you know of",
		Long: `Set the witness file, the timeline and the pinned recovery key aside and delete the stored
policy, so that the connector accepts the next controller's log, recovery key and policy
as they are. Do this on each connector after you restored the controller's database from
a backup on purpose and have no recovery key, and only then: anybody who asks you to do
it otherwise may be hiding something. The old files stay beside them as evidence.`,
		Example: "  sudo grpcconnector witness reset --yes",
	}, Loader(), func(cmd *cobra.Command, cfg Config) error {
		path, err := witnessPath(cmd, cfg)
		if err != nil {
			return err
		}
		if !yes {
			return cli.UsageError(errors.New("this makes the connector accept a different log: add --yes if the controller was restored on purpose"))
		}
		return reset(cmd.OutOrStdout(), path)
	})
	cli.ShowOnly(cmd.Flags(), "config", "connector-id", "state-dir", "trust-domain")
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm that the controller was restored on purpose")
	return cmd
}

// reset moves the witness file away first: a policy of a log that is not believed is
// not taken, so the other order could leave the connector without any.
func reset(w io.Writer, path string) error {
	kept, err := witness.Retire(path, time.Now())
	none := errors.Is(err, fs.ErrNotExist)
	if err != nil && !none {
		return err
	}
	pin, err := timeline.Retire(filepath.Dir(path), time.Now())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	pinned := err == nil
	dropped, err := relay.DropPolicy(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("the kept policy was not dropped: %w: run the command again as root", err)
	}
	var text string
	switch {
	case none && !dropped && !pinned:
		return fmt.Errorf("nothing to reset: there is no %s and no kept policy beside it", path)
	case none:
		text = "kept policy dropped; there was no witness file"
	default:
		text = "witness reset; what was witnessed is kept in " + kept
	}
	if pinned {
		text += "\ntimeline and recovery key reset; what was pinned is kept in " + pin
	}
	_, err = fmt.Fprintln(w, text+"\na running connector that refused its controller follows within 10 s")
	return err
}
