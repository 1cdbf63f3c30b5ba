package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// Logged is Configured for a command that runs for long: it gets a Logger.
func Logged[T any](cmd *cobra.Command, l *settings.Loader[T], of func(T) logging.Config, run func(ctx context.Context, cfg T, log *zap.Logger) error) *cobra.Command {
	return Configured(cmd, l, func(cmd *cobra.Command, cfg T) error {
		log, stop, err := Logger(cmd, l, of, cfg)
		if err != nil {
			return err
		}
		defer stop()
		return run(cmd.Context(), cfg, log)
	})
}

// Logger is the logger of a command that runs for long, on standard error. Its level
// follows the configuration at each SIGHUP until stop is called.
func Logger[T any](cmd *cobra.Command, l *settings.Loader[T], of func(T) logging.Config, cfg T) (log *zap.Logger, stop func(), err error) {
	log, level, err := logging.New(of(cfg), cmd.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	again := l.Again(cmd.Flags())
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(cmd.Context())
	var following sync.WaitGroup
	following.Go(func() {
		logging.Follow(ctx, hangups, level, func() (logging.Config, error) {
			c, err := again()
			return of(c), err
		}, log.Named("logging"))
	})
	return log, func() {
		signal.Stop(hangups)
		cancel()
		following.Wait()
		_ = log.Sync()
	}, nil
}
