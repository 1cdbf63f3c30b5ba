package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestChecks(t *testing.T) {
	t.Parallel()
	now := start
	c := &health.Checks{Now: func() time.Time { return now }}
	require.False(t, c.Report(t.Context()).Ready, "nothing is ready without a check")

	c.Declare("control stream", "identity")
	c.Set("identity", nil)
	require.False(t, c.Report(t.Context()).Ready, "a declared check was not set yet")

	now = start.Add(time.Second)
	c.Set("control stream", nil)
	c.Declare("identity") // must not undo its result
	require.True(t, c.Report(t.Context()).Ready)

	now = start.Add(time.Minute)
	c.Set("identity", errors.New("no SVID"))
	now = start.Add(time.Hour)
	c.Set("identity", errors.New("still no SVID"))
	require.Empty(t, cmp.Diff(health.Report{Checks: []health.Check{
		{Name: "control stream", OK: true, Since: start.Add(time.Second)},
		{Name: "identity", Detail: "still no SVID", Since: start.Add(time.Minute)},
	}}, c.Report(t.Context())), "since is when it failed first")
}

func TestADegradedCheckIsSaidAndKeepsTheProgramReady(t *testing.T) {
	t.Parallel()
	now := start
	s := newServer(t)
	c := s.Checks()
	c.Now = func() time.Time { return now }
	url := run(t, s)
	c.Set("listener", nil)
	c.Set("state_dir", health.Degraded(errors.New("disk full")))
	status, body := get(t, url+"/readyz", "")
	require.Equal(t, 200, status, "it serves")
	require.Equal(t, "[+] listener: ok (since 2026-01-02T03:04:05Z)\n[~] state_dir: degraded: disk full (since 2026-01-02T03:04:05Z)\nready, degraded\n", body)
	require.Equal(t, "ready, degraded: state_dir: disk full", s.Summary(t.Context()))
	require.NoError(t, c.Failing(t.Context(), "state_dir"), "a listener that needs it serves")
	r, err := health.Fetch(t.Context(), s.Addr().String())
	require.NoError(t, err)
	require.True(t, r.Ready)
	require.True(t, r.Degraded)
	require.True(t, r.Checks[1].Degraded)
	require.False(t, r.Checks[1].OK)

	now = start.Add(time.Minute)
	c.Set("state_dir", errors.New("gone"))
	require.Equal(t, now, c.Report(t.Context()).Checks[1].Since, "worse than degraded is another state")
	c.Set("listener", health.Degraded(errors.New("slow")))
	status, body = get(t, url+"/readyz", "")
	require.Equal(t, 503, status)
	require.Contains(t, body, "[-] state_dir: gone")
	require.Equal(t, "not ready: state_dir: gone", s.Summary(t.Context()))
	require.NoError(t, health.Degraded(nil))
}

// TestSinceIsWhenTheStateChangedAndNotWhenSomebodyAsked: a probe that only ran for a
// report would date a fault of the night to the first look in the morning.
func TestSinceIsWhenTheStateChangedAndNotWhenSomebodyAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		s := newServer(t)
		c := s.Checks()
		c.Register("store", func(context.Context) error {
			if broken.Load() {
				return errors.New("locked")
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { c.Follow(ctx); close(done) }()
		<-time.After(time.Minute)
		broken.Store(true)
		broke := time.Now()
		<-time.After(8 * time.Hour)
		r := c.Report(t.Context())
		require.False(t, r.Ready)
		require.WithinRange(t, r.Checks[0].Since, broke, broke.Add(5*time.Second))
		cancel()
		<-done
		require.NoError(t, s.Close())
	})
}

func TestWhoeverHangsUpChangesNothingForOthers(t *testing.T) {
	t.Parallel()
	var c health.Checks
	c.Register("store", func(ctx context.Context) error { return ctx.Err() })
	require.True(t, c.Report(t.Context()).Ready)
	since := c.Report(t.Context()).Checks[0].Since
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	c.Report(gone)
	require.NoError(t, c.Failing(t.Context(), "store"))
	require.Equal(t, since, c.Report(t.Context()).Checks[0].Since)
}

func TestWaitReadyTellsWhyNotYet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c health.Checks
		c.Set("entries", errors.New("not yet"))
		var why []string
		begun := time.Now()
		go func() {
			<-time.After(3 * time.Second)
			c.Set("entries", health.Degraded(errors.New("slow")))
		}()
		require.NoError(t, c.WaitReady(t.Context(), time.Second, func(r health.Report) { why = append(why, r.Summary()) }))
		require.GreaterOrEqual(t, time.Since(begun), 3*time.Second)
		require.NotEmpty(t, why)
		require.Equal(t, "not ready: entries: not yet", why[0])
		c.Set("entries", errors.New("gone"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, c.WaitReady(ctx, time.Second, nil), context.DeadlineExceeded)
	})
}

func TestACertificateOutOfItsTimeNamesTheClock(t *testing.T) {
	t.Parallel()
	var c health.Checks
	c.Set("control_stream", errors.New("rpc error: "+strings.Repeat("long ", 200)+"tls: x509: certificate has expired or is not yet valid"))
	detail := c.Report(t.Context()).Checks[0].Detail
	require.Contains(t, detail, "by the clock of this host it is")
	require.LessOrEqual(t, len(detail), 512)
}

func TestRegisteredProbe(t *testing.T) {
	t.Parallel()
	var c health.Checks
	var failure error
	c.Register("store", func(context.Context) error { return failure })
	require.True(t, c.Report(t.Context()).Ready)
	failure = errors.New("database is locked")
	r := c.Report(t.Context())
	require.False(t, r.Ready)
	require.Equal(t, "database is locked", r.Checks[0].Detail)

	c.Register("slow", func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, c.Report(ctx).Ready, "a probe ends with the request")
}

func TestADetailSaysHowThingsAreWhileTheyAreFine(t *testing.T) {
	t.Parallel()
	var c health.Checks
	c.Explain("identity", func() string { return "4m left" })
	require.Equal(t, "no result yet", c.Report(t.Context()).Checks[0].Detail, "declared, and not fine yet")
	c.Set("identity", nil)
	require.Equal(t, "4m left", c.Report(t.Context()).Checks[0].Detail)
	c.Explain("identity", func() string { return "3m left" })
	require.Equal(t, "3m left", c.Report(t.Context()).Checks[0].Detail)
	c.Set("identity", errors.New("expired"))
	require.Equal(t, "expired", c.Report(t.Context()).Checks[0].Detail)
}

func TestADetailIsOneBoundedPrintableLine(t *testing.T) {
	t.Parallel()
	for name, hostile := range map[string]string{
		"an escape sequence": "a\x1b[2J\x1b]0;owned\x07b", "line ends": "a\r\nready\n[+] all: fine", "no UTF-8": "a\xff\xfeb",
		"direction marks": "a\u202eb\u2066c", "a megabyte": strings.Repeat("é", 1<<19),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c health.Checks
			c.Set("pushed", errors.New(hostile))
			c.Set("fine", nil)
			c.Explain("fine", func() string { return hostile })
			for _, check := range c.Report(t.Context()).Checks {
				require.LessOrEqual(t, len(check.Detail), 512)
				require.True(t, utf8.ValidString(check.Detail))
				for _, r := range check.Detail {
					require.True(t, unicode.IsPrint(r), "%q", check.Detail)
				}
			}
		})
	}
}

func TestFailingLooksAtTheNamedChecksOnly(t *testing.T) {
	t.Parallel()
	var c health.Checks
	ran := 0
	c.Register("identity", func(context.Context) error { return nil })
	c.Register("store", func(context.Context) error { ran++; return errors.New("locked") })
	require.NoError(t, c.Failing(t.Context(), "identity"))
	require.Zero(t, ran)
	require.EqualError(t, c.Failing(t.Context(), "identity", "store"), "store: locked")
	require.EqualError(t, c.Failing(t.Context(), "policy"), "policy: no result yet", "nobody declared it")
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.Handle("GET /metrics", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }))
	s.Checks().Now = func() time.Time { return start }
	s.Checks().Declare("identity")
	url := run(t, s)

	status, body := get(t, url+"/livez", "")
	require.Equal(t, 200, status, "alive although not ready")
	require.Equal(t, "ok\n", body)

	status, body = get(t, url+"/readyz", "")
	require.Equal(t, 503, status)
	require.Equal(t, "[-] identity: no result yet (since 2026-01-02T03:04:05Z)\nnot ready\n", body)

	s.Checks().Set("identity", nil)
	status, body = get(t, url+"/readyz", "")
	require.Equal(t, 200, status)
	require.Equal(t, "[+] identity: ok (since 2026-01-02T03:04:05Z)\nready\n", body)
	s.Checks().Explain("identity", func() string { return "4m left" })
	_, body = get(t, url+"/readyz", "")
	require.Equal(t, "[+] identity: ok, 4m left (since 2026-01-02T03:04:05Z)\nready\n", body)

	status, body = get(t, url+"/readyz", "application/json")
	require.Equal(t, 200, status)
	var r health.Report
	require.NoError(t, json.Unmarshal([]byte(body), &r))
	require.Empty(t, cmp.Diff(s.Checks().Report(t.Context()), r))

	status, _ = get(t, url+"/metrics", "")
	require.Equal(t, 200, status)
	status, _ = get(t, url+"/", "")
	require.Equal(t, 404, status)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	t.Run("an address that other machines reach", func(t *testing.T) {
		t.Parallel()
		_, err := health.New(health.Config{Listen: "0.0.0.0:0", Log: zap.NewNop()})
		require.ErrorContains(t, err, "not a loopback address")
		s, err := health.New(health.Config{Listen: "0.0.0.0:0", AllowRemote: true, Log: zap.NewNop()})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
	t.Run("a port in use", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		defer func() { _ = s.Close() }()
		_, err := health.New(health.Config{Listen: s.Addr().String(), Log: zap.NewNop()})
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	})
}

func newServer(t *testing.T) *health.Server {
	t.Helper()
	s, err := health.New(health.Config{Listen: "127.0.0.1:0", Log: zap.NewNop()})
	require.NoError(t, err)
	return s
}

// run serves until the test ends and returns the base URL.
func run(t *testing.T, s *health.Server) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		require.NoError(t, <-done)
	})
	return "http://" + s.Addr().String()
}

func get(t *testing.T, url, accept string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestLivezFailsOnlyWhenALoopOfTheProgramHangs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.Checks().Set("spire", errors.New("the agent is away"))
	var hangs atomic.Bool
	s.Live().Register("relay", func(context.Context) error {
		if hangs.Load() {
			return errors.New("the loop does not answer")
		}
		return nil
	})
	url := run(t, s)
	status, _ := get(t, url+"/livez", "")
	require.Equal(t, 200, status, "somebody else's outage is no reason to restart")
	require.NoError(t, s.Alive(t.Context()))
	require.Equal(t, "not ready: spire: the agent is away", s.Summary(t.Context()))

	hangs.Store(true)
	status, body := get(t, url+"/livez", "")
	require.Equal(t, 503, status)
	require.Contains(t, body, "[-] relay: the loop does not answer")
	require.EqualError(t, s.Alive(t.Context()), "relay: the loop does not answer")
	s.Checks().Set("spire", nil)
	require.Equal(t, "ready", s.Summary(t.Context()))
}
