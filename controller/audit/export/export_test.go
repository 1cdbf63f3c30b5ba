package export_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const soon = 10 * time.Second

// log is a store whose rows are made as they are asked for.
type log struct {
	mu        sync.Mutex
	size      int64
	renewals  int64
	positions map[string]int64
	subs      []chan struct{}
}

func newLog(size int64) *log { return &log{size: size, positions: map[string]int64{}} }

func row(i int64) audit.Row {
	return audit.Row{Seq: i + 1, Index: i, LeafVersion: 1, Event: audit.Event{
		Time: time.Unix(1767323045+i, 678901000).UTC(), Actor: "key:a", Action: audit.TokenCreate, Target: "token/t",
		Outcome: audit.Success, Reason: "a\nb", After: `{"x":1}`,
	}}
}

func (l *log) AuditRows(_ context.Context, from int64, limit int) (out []audit.Row, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := from; i < l.size && len(out) < limit; i++ {
		out = append(out, row(i))
	}
	return out, nil
}

func renewal(i int64) audit.Renewal {
	at := time.Unix(1767323045+i, 678000000).UTC()
	return audit.Renewal{Seq: i, Time: at, Member: "connector/c", Serial: "5f0c9a", Authority: "ab", NotAfter: at.Truncate(time.Second)}
}

func (l *log) RenewalsBetween(_ context.Context, first, last int64, limit int) (out []audit.Renewal, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := max(first, 1); i <= min(last, l.renewals) && len(out) < limit; i++ {
		out = append(out, renewal(i))
	}
	return out, nil
}

func (l *log) SinkPosition(_ context.Context, name string) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.positions[name], nil
}

func (l *log) SetSinkPosition(_ context.Context, name string, at int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.positions[name] = at
	return nil
}

func (l *log) Subscribe() (<-chan struct{}, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(chan struct{}, 1)
	l.subs = append(l.subs, c)
	return c, func() {}
}

func (l *log) grow(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size += n
	for _, c := range l.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (l *log) at(name string) int64 {
	at, _ := l.SinkPosition(context.Background(), name)
	return at
}

func run(t *testing.T, l *log, sinks map[string]export.Sink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	e := export.New(export.Config{Store: l, Head: l, Sinks: sinks, Log: zap.NewNop()})
	go func() { done <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, soon, 5*time.Millisecond, what)
}

// indices reads JSON lines and requires that they begin at first and lack none.
func indices(t *testing.T, r io.Reader, first int64) (next int64) {
	t.Helper()
	next = first
	for s := bufio.NewScanner(r); s.Scan(); next++ {
		var line export.Line
		require.NoError(t, json.Unmarshal(s.Bytes(), &line))
		require.Equal(t, next, line.Index)
		require.JSONEq(t, `{"x":1}`, string(line.After))
	}
	return next
}

func TestFileIsAppendedAndRotated(t *testing.T) {
	t.Parallel()
	l, dir := newLog(450), t.TempDir()
	path, hup := filepath.Join(dir, "audit.jsonl"), make(chan os.Signal, 1)
	stop := run(t, l, map[string]export.Sink{"file": export.NewFile(path, hup)})
	eventually(t, "the file to be written", func() bool { return l.at("file") == 450 })

	require.NoError(t, os.Rename(path, path+".1"))
	l.grow(5)
	eventually(t, "a new file", func() bool { return l.at("file") == 455 })
	hup <- syscall.SIGHUP
	l.grow(5)
	eventually(t, "the file again", func() bool { return l.at("file") == 460 })
	stop()
	l.grow(5)
	run(t, l, map[string]export.Sink{"file": export.NewFile(path, nil)})
	eventually(t, "a restart to go on where it was", func() bool { return l.at("file") == 465 })

	first, err := os.Open(path + ".1")
	require.NoError(t, err)
	defer func() { _ = first.Close() }()
	require.Equal(t, int64(450), indices(t, first, 0))
	second, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = second.Close() }()
	require.Equal(t, int64(465), indices(t, second, 450))
	info, err := second.Stat()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

// stuck is a sink that never delivers.
type stuck struct{ began chan struct{} }

func (s *stuck) Deliver(ctx context.Context, _ export.Batch) error {
	select {
	case s.began <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return ctx.Err()
}
func (s *stuck) Close() error { return nil }

func TestOneStuckSinkHoldsBackNoOther(t *testing.T) {
	t.Parallel()
	l := newLog(3)
	s := &stuck{began: make(chan struct{}, 1)}
	r, w, err := os.Pipe() // that nobody reads: it is full after 64 KiB
	require.NoError(t, err)
	defer func() { _ = r.Close(); _ = w.Close() }()
	stop := run(t, l, map[string]export.Sink{
		"stuck": s, "pipe": export.NewOutput(w), "file": export.NewFile(filepath.Join(t.TempDir(), "a"), nil),
	})
	<-s.began
	l.grow(2000)
	eventually(t, "the file", func() bool { return l.at("file") == 2003 })
	require.Zero(t, l.at("stuck"), "its events wait")
	require.Less(t, l.at("pipe"), int64(2003))
	begin := time.Now()
	stop()
	require.Less(t, time.Since(begin), soon, "a reader that stopped does not hold up the end")
}

func TestOutputWritesWholeLines(t *testing.T) {
	t.Parallel()
	l := newLog(1000)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	var got bytes.Buffer
	read := make(chan error, 1)
	go func() { _, err := io.Copy(&got, r); read <- err }()
	stop := run(t, l, map[string]export.Sink{"stdout": export.NewOutput(w)})
	eventually(t, "all lines", func() bool { return l.at("stdout") == 1000 })
	stop()
	require.NoError(t, w.Close())
	require.NoError(t, <-read)
	require.Equal(t, int64(1000), indices(t, &got, 0))
	require.NoError(t, r.Close())
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef")
	now := time.Unix(1767323045, 0)
	var mu sync.Mutex
	var bodies bytes.Buffer
	calls := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls++
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get(export.SignatureHeader) != "t=1767323045,v1="+export.Signature(secret, "1767323045", body) {
			t.Error("bad signature")
		}
		switch calls {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			bodies.Write(body)
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	defer srv.Close()
	l := newLog(201)
	stop := run(t, l, map[string]export.Sink{"webhook": export.NewWebhook(srv.URL, secret, nil, func() time.Time { return now })})
	eventually(t, "the third try to be taken", func() bool { return l.at("webhook") == 201 })
	stop()
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 4, calls, "a fault, a redirect that is not followed, two batches")
	require.Equal(t, int64(201), indices(t, &bodies, 0))
	require.NotEqual(t, export.Signature(secret, "1", []byte("x")), export.Signature(secret, "2", []byte("x")), "the time is signed")
}

func TestWebhookWaitsAsLongAsItIsTold(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var at []time.Time
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if at = append(at, time.Now()); len(at) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer srv.Close()
	l := newLog(1)
	run(t, l, map[string]export.Sink{"webhook": export.NewWebhook(srv.URL, []byte("x"), nil, time.Now)})
	eventually(t, "the delivery", func() bool { return l.at("webhook") == 1 })
	require.GreaterOrEqual(t, at[1].Sub(at[0]), time.Second)
}

func TestSyslog(t *testing.T) {
	t.Parallel()
	t.Run("over a unix socket", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "log")
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		s, err := export.NewSyslog("unix://" + path)
		require.NoError(t, err)
		run(t, newLog(1), map[string]export.Sink{"syslog": s})
		buf := make([]byte, 64<<10)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(soon)))
		n, err := conn.Read(buf)
		require.NoError(t, err)
		text := string(buf[:n])
		require.True(t, strings.HasPrefix(text, "<110>1 2026-01-02T03:04:05.678901Z "), text)
		require.Contains(t, text, " grpccontroller ")
		require.Contains(t, text, ` audit - {"index":0,`)
		require.NotContains(t, text, "\n")
	})
	t.Run("over TCP, counted, and again after the receiver was away", func(t *testing.T) {
		t.Parallel()
		lis, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test
		require.NoError(t, err)
		s, err := export.NewSyslog("tcp://" + lis.Addr().String())
		require.NoError(t, err)
		l := newLog(2)
		run(t, l, map[string]export.Sink{"syslog": s})
		conn, err := lis.Accept()
		require.NoError(t, err)
		defer func() { _ = conn.Close(); _ = lis.Close() }()
		r := bufio.NewReader(conn)
		for range 2 {
			size, err := r.ReadString(' ')
			require.NoError(t, err)
			n := 0
			require.NoError(t, json.Unmarshal([]byte(size), &n))
			message := make([]byte, n)
			_, err = io.ReadFull(r, message)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(message), "<110>1 "))
			require.True(t, strings.HasSuffix(string(message), "}"))
		}
	})
	for _, bad := range []string{"", "udp://", "tcp://host", "unix://host/x", "http://x:1", "udp://h:1/x", "::"} {
		_, err := export.NewSyslog(bad)
		require.Error(t, err, bad)
	}
}

func TestEncodeKeepsADamagedRowReadable(t *testing.T) {
	t.Parallel()
	r := row(0)
	r.After = "not json\x00"
	line, err := export.Encode(r)
	require.NoError(t, err)
	require.True(t, json.Valid(line))
	r.LeafVersion = 9
	_, err = export.Encode(r)
	require.Error(t, err)
}

// TestRenewalsAreExportedBesideTheEvents: each stream has its own position, and its lines tell
// which they are of.
func TestRenewalsAreExportedBesideTheEvents(t *testing.T) {
	t.Parallel()
	l := newLog(3)
	l.renewals = 450
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	stop := run(t, l, map[string]export.Sink{"file": export.NewFile(path, nil)})
	eventually(t, "both", func() bool { return l.at("file") == 3 && l.at("file/renewals") == 451 })
	stop()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	events, next := 0, int64(1)
	for text := range strings.Lines(string(raw)) {
		var line export.RenewalLine
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		if line.Action != export.RenewalAction {
			events++
			continue
		}
		require.Equal(t, next, line.Seq)
		require.Equal(t, "connector/c", line.Member)
		next++
	}
	require.Equal(t, 3, events)
	require.Equal(t, int64(451), next)
}
