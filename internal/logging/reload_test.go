package logging_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

func TestASignalReadsTheLevelAgain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, level, err := logging.New(logging.DefaultConfig(), &out)
	require.NoError(t, err)
	signals := make(chan os.Signal)
	answers := make(chan func() (logging.Config, error), 1)
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() {
		logging.Follow(ctx, signals, level, func() (logging.Config, error) { return (<-answers)() }, log)
	})
	// A second signal is taken only after the first was dealt with.
	hangup := func(c logging.Config, err error) {
		answers <- func() (logging.Config, error) { return c, err }
		signals <- syscall.SIGHUP
	}
	for _, step := range []struct {
		c     logging.Config
		err   error
		level zapcore.Level
		says  string
	}{
		{logging.Config{Level: "debug", Format: "json"}, nil, zapcore.DebugLevel, `"before":"info","log_level":"debug"`},
		{logging.Config{Level: "error", Format: "json"}, nil, zapcore.ErrorLevel, `"before":"debug","log_level":"error"`},
		{logging.Config{Level: "loud", Format: "json"}, nil, zapcore.ErrorLevel, "must be debug, info, warn or error"},
		{logging.Config{}, errors.New("line 3 is not KEY=VALUE"), zapcore.ErrorLevel, "line 3"},
		{logging.Config{Level: "info", Format: "json"}, nil, zapcore.InfoLevel, `"before":"error","log_level":"info"`},
	} {
		hangup(step.c, step.err)
		hangup(step.c, step.err)
		require.Equal(t, step.level, level.Level())
	}
	cancel()
	following.Wait()
	for _, says := range []string{
		`"before":"info","log_level":"debug"`, `"before":"debug","log_level":"error"`, "must be debug", "line 3", `"before":"error","log_level":"info"`,
	} {
		require.Contains(t, out.String(), says)
	}
	require.Equal(t, 10, strings.Count(out.String(), "\n"), "each signal is a line, at every level")
}
