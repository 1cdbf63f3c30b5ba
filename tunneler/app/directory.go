package app

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

func directoryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "directory", Short: "Reset what this tunneler keeps of its controller"}
	var yes bool
	reset := cli.Configured(&cobra.Command{
		Use:   "reset",
		Short: "Forget the directory and the recovery key, after a restore that you know of",
		Long: `Delete the stored directory and set the timeline and the pinned recovery key aside, so that
the tunneler follows the next controller that it reaches, as it is. Do this after you
restored the controller from a backup on purpose and have no recovery key, and only
then. Restart the tunneler afterwards. Revocations stay.`,
		Example: "  sudo grpctunneler directory reset --yes\n  sudo systemctl restart grpctunneler.service",
	}, Loader(), func(cmd *cobra.Command, cfg Config) error {
		dir := hostcmd.StateOf(cfg.StateDir, StateDir, cmd.Flags())
		if dir == "" {
			return cli.UsageError(fmt.Errorf("STATE_DIR is empty and there is no %s: this tunneler keeps nothing", StateDir))
		}
		if !yes {
			return cli.UsageError(errors.New("this makes the tunneler follow another controller: add --yes if the controller was restored on purpose"))
		}
		kept, err := timeline.Retire(dir, time.Now())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		text := "directory dropped"
		if err == nil {
			text += "; timeline and recovery key reset, what was pinned is kept in " + kept
		}
		if err := directory.Drop(dir, false); err != nil {
			return fmt.Errorf("the kept directory was not dropped: %w: run the command again as root", err)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text+"\nnow restart the tunneler: systemctl restart grpctunneler.service")
		return err
	})
	cli.ShowOnly(reset.Flags(), "config", "tunneler-id", "state-dir", "trust-domain")
	reset.Flags().BoolVar(&yes, "yes", false, "confirm that the controller was restored on purpose")
	cmd.AddCommand(reset)
	return cmd
}
