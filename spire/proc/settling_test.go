package proc_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// TestAProgramWithoutAnIdentityIsAnErrorOnlyIfItLasts: a program that has just been
// enrolled asks a moment before its agent has heard of it, on every healthy host.
func TestAProgramWithoutAnIdentityIsAnErrorOnlyIfItLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		child := proc.NewLines(zap.New(core))
		levels := func(msg string, pids ...int) (got []zapcore.Level) {
			t.Helper()
			for _, pid := range pids {
				_, err := fmt.Fprintf(child, `{"level":"error","msg":%q,"pid":%d}`+"\n", msg, pid)
				require.NoError(t, err)
			}
			for _, entry := range logs.TakeAll() {
				got = append(got, entry.Level)
			}
			return got
		}
		wait := func(d time.Duration) { <-time.After(d) } // on synctest's clock
		const none = "No identity issued"
		warn, err := zap.WarnLevel, zap.ErrorLevel
		require.Equal(t, []zapcore.Level{warn, warn, warn}, levels(none, 7, 7, 7), "it has just started")
		wait(14 * time.Second)
		require.Equal(t, []zapcore.Level{warn}, levels(none, 8), "it was started again")
		wait(time.Second)
		require.Equal(t, []zapcore.Level{err}, levels(none, 7), "it lasts")
		require.Equal(t, []zapcore.Level{err}, levels(none, 9), "also for those that start now")
		wait(time.Minute + time.Second)
		require.Equal(t, []zapcore.Level{warn}, levels(none, 10), "a new start after a time of peace")
		require.Equal(t, []zapcore.Level{err}, levels("Agent crashed", 7), "what does not end by itself is an error at once")
	})
}
