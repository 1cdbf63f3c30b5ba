package hostagent_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

func notice(t *testing.T, f *fixture) hostagent.Notice {
	t.Helper()
	n, err := hostagent.ReadNotice(filepath.Join(f.dir.Root, "public", "api.sock"), time.Now())
	require.NoError(t, err)
	return n
}

// TestARevokedHostSaysSoFirstAndStartsItsAgentSeldom: 125 starts and 2,179 lines in
// twenty minutes, of which none said it.
func TestARevokedHostSaysSoFirstAndStartsItsAgentSeldom(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		say  func(*world)
		want string
	}{
		"revoked":                     {func(w *world) { w.bundle.Standing = hostagent.StandingRevoked }, "has revoked this host"},
		"not known to the controller": {func(w *world) { w.bundle.Standing = hostagent.StandingUnknown }, "does not know this host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(_ *hostagent.Host, _ *hostagent.Config, w *world) {
				w.bundle.Standing, w.bundle.Members = hostagent.StandingActive, []string{"spiffe://a/connector/c"}
			})
			f.world.rounds(t, 3)
			n := notice(t, f)
			require.Equal(t, hostagent.StandingActive, n.Standing)
			require.Equal(t, []string{"spiffe://a/connector/c"}, n.Members)
			require.Empty(t, n.Agent)

			f.world.change(tc.say)
			f.world.rounds(t, 5)
			require.Contains(t, f.Reason(), tc.want)
			require.Contains(t, f.Reason(), "enroll this host again with a new token and --new-host")
			require.Contains(t, notice(t, f).Agent, tc.want)

			// Its agent dies, as a banned one does, and is not started again and again.
			kill(t, f)
			f.world.rounds(t, 30)
			require.Len(t, f.starts(t), 1)

			f.world.change(func(w *world) { w.err, w.bundle.Standing = nil, hostagent.StandingActive })
			f.waitStarts(t, 2)
			require.Equal(t, hostagent.StandingActive, notice(t, f).Standing)
		})
	}
}

func TestOneAnswerIsNotEnoughToGiveUpAHost(t *testing.T) {
	t.Parallel()
	f := startUnready(t, func(_ *hostagent.Host, c *hostagent.Config, w *world) {
		c.ProbeInterval, w.bundle.Standing = time.Hour, hostagent.StandingUnknown // it asks once, before the start
	})
	kill(t, f)
	eventually(t, "another start", func() bool { return f.Status().Agent.PID != 0 })
}

func TestAWrongClockIsToldToThePrograms(t *testing.T) {
	t.Parallel()
	for ahead, text := range map[time.Duration]string{24 * time.Hour: "24h ahead", -24 * time.Hour: "24h behind", 90 * time.Second: "1m30s ahead", -90 * time.Second: "1m30s behind"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil)
			f.world.change(func(w *world) { skew := health.ClockAhead(ahead); w.bundle.Clock = &skew })
			f.world.rounds(t, 3)
			require.Contains(t, notice(t, f).Clock, "the clock of this host is "+text)
			f.world.change(func(w *world) { skew := health.ClockAhead(time.Second); w.bundle.Clock = &skew })
			f.world.rounds(t, 3)
			require.Empty(t, notice(t, f).Clock)
		})
	}
}

func TestANoticeThatCannotBeTrustedIsNone(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, text := range map[string]string{
		"no JSON": "hello", "of no time": `{"standing":"revoked"}`,
		"of half an hour ago":                    `{"at":"` + now.Add(-30*time.Minute).Format(time.RFC3339) + `"}`,
		"of yesterday":                           `{"at":"` + now.Add(-25*time.Hour).Format(time.RFC3339) + `"}`,
		"of an hour ago, when the clock was bad": `{"at":"` + now.Add(-time.Hour).Format(time.RFC3339) + `","clock":"a day ahead"}`,
		"far too long":                           `{"agent":"` + string(make([]byte, 1<<20)) + `"}`,
	} {
		socket := filepath.Join(t.TempDir(), "api.sock")
		require.NoError(t, os.WriteFile(hostagent.NoticePath(socket), []byte(text), 0o600))
		_, err := hostagent.ReadNotice(socket, now)
		require.Error(t, err, name)
	}
	_, err := hostagent.ReadNotice(filepath.Join(t.TempDir(), "api.sock"), now)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestANoticeFromTheFutureStands: the clock of the host was moved back since.
func TestANoticeFromTheFutureStands(t *testing.T) {
	t.Parallel()
	now := time.Now()
	socket := filepath.Join(t.TempDir(), "api.sock")
	for _, ahead := range []time.Duration{-15 * time.Minute, time.Hour, 25 * time.Hour} {
		text := `{"at":"` + now.Add(ahead).Format(time.RFC3339) + `","clock":"a day behind"}`
		require.NoError(t, os.WriteFile(hostagent.NoticePath(socket), []byte(text), 0o600))
		n, err := hostagent.ReadNotice(socket, now)
		require.NoError(t, err, ahead)
		require.Equal(t, "a day behind", n.Clock)
	}
}

// TestANoticeFromTheFutureGetsOldToo: its supervisor died when the clock was days ahead.
func TestANoticeFromTheFutureGetsOldToo(t *testing.T) {
	t.Parallel()
	now := time.Now()
	socket := filepath.Join(t.TempDir(), "api.sock")
	say := func(ahead time.Duration) {
		text := `{"at":"` + now.Add(ahead).Format(time.RFC3339) + `","standing":"revoked"}`
		require.NoError(t, os.WriteFile(hostagent.NoticePath(socket), []byte(text), 0o600))
	}
	notices := hostagent.NewNotices(socket, func() time.Time { return now })
	say(25 * time.Hour)
	for range 4 { // up to twenty minutes
		_, err := notices.Read()
		require.NoError(t, err)
		now = now.Add(6 * time.Minute)
	}
	_, err := notices.Read()
	require.ErrorContains(t, err, "does not run")
	say(25 * time.Hour) // another one: the supervisor runs
	n, err := notices.Read()
	require.NoError(t, err)
	require.Equal(t, hostagent.StandingRevoked, n.Standing)
	now = now.Add(19 * time.Minute)
	_, err = notices.Read()
	require.NoError(t, err)
	now = now.Add(2 * time.Minute)
	_, err = notices.Read()
	require.ErrorContains(t, err, "does not run")
}

// TestANoticeIsWrittenAgainAfterTheClockWasMovedBack: the one before is of the future.
func TestANoticeIsWrittenAgainAfterTheClockWasMovedBack(t *testing.T) {
	t.Parallel()
	var back atomic.Int64
	f := start(t, func(_ *hostagent.Host, c *hostagent.Config, _ *world) {
		c.Now = func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
	})
	f.world.rounds(t, 3)
	require.WithinDuration(t, time.Now(), notice(t, f).At, time.Minute)
	back.Store(int64(15 * time.Minute))
	f.world.rounds(t, 3)
	require.WithinDuration(t, time.Now().Add(-15*time.Minute), notice(t, f).At, time.Minute)
}

// TestWhoIsOnThePathCannotMakeAHostUnwanted: a certificate of another CA is no answer of
// the controller.
func TestWhoIsOnThePathCannotMakeAHostUnwanted(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *hostagent.Host, _ *hostagent.Config, w *world) {
		w.bundle.Standing, w.bundle.Members = hostagent.StandingActive, []string{"spiffe://a/connector/c"}
	})
	f.world.rounds(t, 3)
	f.world.change(func(w *world) {
		w.err = &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	})
	f.world.rounds(t, 5)
	require.Empty(t, f.Reason())
	require.Equal(t, hostagent.StandingActive, f.Status().Standing)
	require.Equal(t, hostagent.StandingActive, notice(t, f).Standing)
}

func FuzzReadNotice(f *testing.F) {
	f.Add([]byte(`{"at":"2026-01-01T00:00:00Z","standing":"revoked"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		socket := filepath.Join(t.TempDir(), "api.sock")
		require.NoError(t, os.WriteFile(hostagent.NoticePath(socket), raw, 0o600))
		_, _ = hostagent.ReadNotice(socket, time.Now())
	})
}

// kill kills the fake agent and waits until it is seen dead.
func kill(t *testing.T, f *fixture) {
	t.Helper()
	deaths := f.Status().Agent.Restarts
	eventually(t, "an agent", func() bool { return f.Status().Agent.PID != 0 })
	require.NoError(t, syscall.Kill(f.Status().Agent.PID, syscall.SIGKILL))
	eventually(t, "its death", func() bool { return f.Status().Agent.Restarts > deaths })
}
