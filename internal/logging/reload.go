package logging

import (
	"context"
	"os"

	"go.uber.org/zap"
)

// Follow sets the level anew at each signal, from the configuration as it is then,
// until ctx ends. What cannot be read changes nothing; the log says why. The format
// stays that of the start.
func Follow(ctx context.Context, signals <-chan os.Signal, level zap.AtomicLevel, read func() (Config, error), log *zap.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			reload(level, read, log)
		}
	}
}

func reload(level zap.AtomicLevel, read func() (Config, error), log *zap.Logger) {
	c, err := read()
	if err == nil {
		err = c.Validate()
	}
	before := level.Level()
	if err != nil {
		log.Error("log level not changed, the configuration cannot be read: correct it and send SIGHUP again",
			zap.Stringer("log_level", before), zap.Error(err))
		return
	}
	next, _ := levelOf(c.Level)
	// Said at the level that shows more, or a change to "error" would be silent.
	level.SetLevel(min(before, zap.InfoLevel))
	log.Info("log level read again", zap.Stringer("before", before), zap.Stringer("log_level", next))
	level.SetLevel(next)
}
