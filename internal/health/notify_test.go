package health_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// deadline is of one message of the program.
const deadline = 10 * time.Second

// manager is the service manager's end of the notify socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// startManager sets the environment that systemd gives to a service.
func startManager(t *testing.T, watchdogUsec string) manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", watchdogUsec)
	t.Setenv("WATCHDOG_PID", "")
	return manager{t, conn}
}

func (m manager) next() string {
	m.t.Helper()
	buf := make([]byte, 4096)
	require.NoError(m.t, m.conn.SetReadDeadline(time.Now().Add(deadline)))
	n, err := m.conn.Read(buf)
	require.NoError(m.t, err)
	return string(buf[:n])
}

// runNotify starts the loop that the pulse belongs to and the notifier beside it.
func runNotify(t *testing.T, alive func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- health.Notify(ctx, health.NotifyConfig{
			Alive: alive, Status: func(context.Context) string { return "ready" }, Log: zap.NewNop(),
		})
	}()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func TestALivingProgramFeedsTheWatchdogAndSaysWhenItStops(t *testing.T) {
	m := startManager(t, "200000")
	stop := runNotify(t, func(context.Context) error { return nil })
	require.Equal(t, "READY=1", m.next())
	require.Equal(t, "WATCHDOG=1", m.next())
	require.Equal(t, "STATUS=ready", m.next())
	require.Equal(t, "WATCHDOG=1", m.next(), "a status that stays is told once")
	stop()
	for last := m.next(); last != "STOPPING=1"; last = m.next() {
		require.Equal(t, "WATCHDOG=1", last)
	}
}

func TestALoopThatIsBlockedStarvesTheWatchdog(t *testing.T) {
	m := startManager(t, "200000")
	pulse, block, unblock := make(health.Pulse), make(chan struct{}), make(chan struct{})
	loopCtx, endLoop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-pulse:
			case <-block:
				<-unblock // the handler that does not come back
			case <-loopCtx.Done():
				return
			}
		}
	}()
	var asked atomic.Int32
	stop := runNotify(t, func(ctx context.Context) error {
		defer asked.Add(1)
		return pulse.Check(ctx)
	})
	require.Equal(t, "READY=1", m.next())
	require.Equal(t, "WATCHDOG=1", m.next())
	block <- struct{}{}
	// Whatever was under way when the loop hung has been sent once two more
	// questions were asked.
	before := asked.Load()
	require.Eventually(t, func() bool { return asked.Load() >= before+2 }, deadline, time.Millisecond)
	m.drain()
	from := asked.Load()
	require.Eventually(t, func() bool { return asked.Load() >= from+2 }, deadline, time.Millisecond)
	require.NotContains(t, m.drain(), "WATCHDOG=1")
	close(unblock)
	require.Equal(t, "WATCHDOG=1", m.next(), "a loop that comes back is alive again")
	stop()
	endLoop()
	<-ended
}

// drain returns what is in the socket now.
func (m manager) drain() string {
	m.t.Helper()
	var got []string
	buf := make([]byte, 4096)
	for {
		require.NoError(m.t, m.conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
		n, err := m.conn.Read(buf)
		if err != nil {
			return strings.Join(got, "\n")
		}
		got = append(got, string(buf[:n]))
	}
}

func TestWithoutAWatchdogTheLoopsAreNotAsked(t *testing.T) {
	m := startManager(t, "")
	stop := runNotify(t, func(context.Context) error {
		t.Error("asked")
		return nil
	})
	require.Equal(t, "READY=1", m.next())
	require.Equal(t, "STATUS=ready", m.next())
	stop()
	require.Equal(t, "STOPPING=1", m.next())
}

func TestWithoutAServiceManagerNothingIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	runNotify(t, func(context.Context) error { return nil })()
}

func TestAPulseThatNobodyTakesHangs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, make(health.Pulse).Check(ctx), health.ErrHangs)
	require.ErrorIs(t, health.Pulse(nil).Check(ctx), health.ErrHangs)
}
