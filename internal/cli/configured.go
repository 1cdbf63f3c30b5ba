package cli

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// Configured gives cmd a flag for each key of the loader and makes it read its
// configuration before it runs. A fault ends it with ExitUsage, before run.
func Configured[T any](cmd *cobra.Command, l *settings.Loader[T], run func(cmd *cobra.Command, cfg T) error) *cobra.Command {
	l.Flags(cmd.Flags())
	CompleteKeys(cmd, l.Keys())
	var cfg T
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		cfg, err = l.Load(cmd.Flags())
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return run(cmd, cfg) }
	return cmd
}

// OnDataDir is Configured for a command that works on the data directory: of the
// configuration its help shows only where that is. The other flags are understood,
// because the file and the environment of the program are read all the same.
func OnDataDir[T any](cmd *cobra.Command, l *settings.Loader[T], run func(cmd *cobra.Command, cfg T) error) *cobra.Command {
	cmd = Configured(cmd, l, run)
	ShowOnly(cmd.Flags(), "config", "data-dir")
	return cmd
}

// ShowOnly leaves these flags in the help of a command that has no use for the other ones
// there are until now. Those are understood all the same: the configuration has them.
func ShowOnly(fs *pflag.FlagSet, names ...string) {
	fs.VisitAll(func(f *pflag.Flag) { f.Hidden = !slices.Contains(names, f.Name) })
}
