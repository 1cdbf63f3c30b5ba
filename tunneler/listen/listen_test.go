package listen_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/listen"
)

// connectTo makes the test program connect there, as whoever it was started as, read to
// the end and print it.
const connectTo = "LISTEN_TEST_CONNECT"

func TestMain(m *testing.M) {
	if at := os.Getenv(connectTo); at != "" {
		network, address, _ := strings.Cut(at, " ")
		c, err := (&net.Dialer{}).DialContext(context.Background(), network, address)
		if err == nil {
			_, err = io.Copy(os.Stdout, c)
		}
		if err != nil {
			fmt.Println("cut")
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// direct opens flows without a connector: to where a target is said to be.
type direct struct {
	at    map[string]string // target -> address
	fails map[string]error

	mu    sync.Mutex
	asked []flow.Target
}

func (d *direct) Open(ctx context.Context, to flow.Target, first []byte) (listen.Flow, error) {
	d.mu.Lock()
	d.asked = append(d.asked, to)
	fault := d.fails[to.String()]
	at, ok := d.at[to.String()]
	d.mu.Unlock()
	if fault != nil {
		return nil, fault
	}
	if !ok {
		return nil, flow.ErrRefused
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, err
	}
	_, err = c.Write(first)
	return &directFlow{c.(*net.TCPConn)}, err
}

func (d *direct) reach(name, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at[name] = address
}

func (d *direct) fail(name string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails[name] = err
}

func (d *direct) targets() []flow.Target {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]flow.Target(nil), d.asked...)
}

type directFlow struct{ *net.TCPConn }

func (f *directFlow) Abort() { _ = f.SetLinger(0); _ = f.Close() }

func (f *directFlow) Splice(local net.Conn) (up, down int64, err error) {
	rising := make(chan error, 1)
	go func() { // joined by rising
		n, err := io.Copy(f.TCPConn, local)
		up = n
		rising <- errors.Join(err, f.CloseWrite())
	}()
	down, err = io.Copy(local, f.TCPConn)
	err = errors.Join(err, local.(interface{ CloseWrite() error }).CloseWrite())
	if err != nil {
		_ = local.Close()
	}
	err = errors.Join(err, <-rising)
	_ = local.Close()
	_ = f.Close()
	return up, down, err
}

// world is a server with one face of each protocol.
type world struct {
	direct
	socks, connect, forward, unix string
	stop                          func()
	drain                         time.Duration // what stop gives flows

	mu       sync.Mutex
	outcomes []listen.Outcome
}

func (w *world) ended() []listen.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]listen.Outcome(nil), w.outcomes...)
}

var forwarded = flow.Target{Host: "db.dev.corp", Port: 5432}

func start(t *testing.T, change func(*listen.Config)) *world {
	t.Helper()
	w := &world{drain: 5 * time.Second, direct: direct{at: map[string]string{}, fails: map[string]error{}}}
	w.unix = filepath.Join(controltest.SocketDir(t), "tunneler.sock")
	cfg := listen.Config{
		Faces: []listen.Face{
			{Protocol: listen.SOCKS5, Network: "tcp", Address: "127.0.0.1:0"},
			{Protocol: listen.Connect, Network: "tcp", Address: "127.0.0.1:0"},
			{Protocol: listen.Forward, Network: "tcp", Address: "[::1]:0", Target: forwarded},
			{Protocol: listen.Connect, Network: "unix", Address: w.unix, Mode: 0o666},
		},
		Users: listen.Users{uint32(os.Geteuid())}, Opener: &w.direct, Log: zap.NewNop(),
		Ended: func(o listen.Outcome) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.outcomes = append(w.outcomes, o)
		},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := listen.New(cfg)
	require.NoError(t, err)
	all := s.Addresses()
	w.socks, w.connect, w.forward = all[0].String(), all[1].String(), all[2].String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
		s.Drain(w.drain)
	})
	t.Cleanup(w.stop)
	return w
}

// target is a TCP server that handles each connection, reachable as name.
func (w *world) target(t *testing.T, name string, handle func(c *net.TCPConn)) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer func() { _ = c.Close() }()
				handle(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		served.Wait()
	})
	w.reach(name, l.Addr().String())
}

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c) }

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), network, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c
}

func send(t *testing.T, c net.Conn, b string) {
	t.Helper()
	_, err := io.WriteString(c, b)
	require.NoError(t, err)
}

func receive(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	b := make([]byte, n)
	_, err := io.ReadFull(c, b)
	require.NoError(t, err)
	return string(b)
}

// rest reads to the end; an end by reset says so.
func rest(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if errors.Is(err, syscall.ECONNRESET) {
		return string(b) + "reset"
	}
	require.NoError(t, err)
	return string(b)
}

// isReset expects a connection to be reset: before dial has returned, or after it.
func isReset(t *testing.T, address string) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err == nil {
		defer func() { _ = c.Close() }()
		require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = io.ReadAll(c)
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// TestAnyProtocolReachesATarget: with the clients of the library, and at the address of one.
func TestAnyProtocolReachesATarget(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(rw, r.Body)
	}))
	t.Cleanup(web.Close)
	w.reach("web.dev.corp:80", web.Listener.Addr().String())
	w.reach(forwarded.String(), web.Listener.Addr().String())
	body := make([]byte, 1<<20)
	_, _ = rand.Read(body)
	for name, proxy := range map[string]string{"SOCKS5": "socks5h://" + w.socks, "CONNECT": "http://" + w.connect, "an address": ""} {
		transport := &http.Transport{}
		at := "http://" + w.forward
		if proxy != "" {
			u, err := url.Parse(proxy)
			require.NoError(t, err)
			transport.Proxy, at = http.ProxyURL(u), "http://WEB.dev.corp.:80"
		}
		if name == "CONNECT" { // the library takes GET for http://, as curl does without --proxytunnel
			transport.Proxy = nil
			transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				c, err := (&net.Dialer{}).DialContext(ctx, "tcp", w.connect)
				if err != nil {
					return nil, err
				}
				send(t, c, "CONNECT web.dev.corp:80 HTTP/1.1\r\nHost: web.dev.corp:80\r\n\r\n")
				require.Equal(t, "HTTP/1.1 200 Connected\r\n\r\n", receive(t, c, 26))
				return c, nil
			}
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, bytes.NewReader(body))
		require.NoError(t, err)
		resp, err := (&http.Client{Transport: transport}).Do(req)
		require.NoError(t, err, name)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err, name)
		require.NoError(t, resp.Body.Close())
		require.True(t, bytes.Equal(body, got), name)
		transport.CloseIdleConnections()
	}
	for _, to := range w.targets() {
		require.Contains(t, []string{"web.dev.corp:80", forwarded.String()}, to.String(), "one spelling")
	}
}

func TestHalfCloseAndAServerThatSpeaksFirst(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.target(t, forwarded.String(), func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "hello\n")
		got, _ := io.ReadAll(c) // until the client has ended its direction
		_, _ = io.WriteString(c, "got "+string(got))
	})
	c := dial(t, "tcp", w.forward)
	require.Equal(t, "hello\n", receive(t, c, 6))
	for _, b := range "ping" {
		send(t, c, string(b))
	}
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	require.Equal(t, "got ping", rest(t, c))
	require.Eventually(t, func() bool { return len(w.ended()) == 1 }, 5*time.Second, time.Millisecond)
	o := w.ended()[0]
	require.NoError(t, o.Failure)
	require.Equal(t, "carried", o.Result())
	require.Equal(t, listen.Outcome{Protocol: listen.Forward, Target: forwarded, User: uint32(os.Geteuid()), Opened: true, Up: 4, Down: 14}, o)
}

// TestWhatIsSentBeforeTheAnswerIsNotLost: some clients do not wait for it.
func TestWhatIsSentBeforeTheAnswerIsNotLost(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.target(t, "echo:7", echo)
	c := dial(t, "unix", w.unix)
	send(t, c, "CONNECT echo:7 HTTP/1.1\r\n\r\nearly")
	require.Equal(t, "HTTP/1.1 200 Connected\r\n\r\nearly", receive(t, c, 31))
	require.NoError(t, c.(*net.UnixConn).CloseWrite())
	require.Empty(t, rest(t, c))

	s := dial(t, "tcp", w.socks)
	send(t, s, "\x05\x01\x00\x05\x01\x00\x03\x04echo\x00\x07early")
	require.Equal(t, "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00early", receive(t, s, 17))
}

func TestWhyAnOpenFailedIsSaidInTheProtocol(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for name, c := range map[string]struct {
		err    error
		socks  byte
		status int
		kind   string
	}{
		"refused":     {flow.ErrRefused, 2, 403, "http_request_denied"},
		"name":        {flow.ErrName, 4, 502, "dns_error"},
		"closed":      {flow.ErrConnRefused, 5, 502, "connection_refused"},
		"slow":        {flow.ErrTimeout, 6, 504, "connection_timeout"},
		"unreachable": {flow.ErrUnreachable, 3, 502, "destination_ip_unroutable"},
		"none":        {flow.ErrNoConnector, 3, 503, "destination_unavailable"},
		"busy":        {flow.ErrBusy, 1, 503, "connection_limit_reached"},
		"inside":      {errors.New("secret detail"), 1, 502, "proxy_internal_error"},
	} {
		w.fail(name+":1", fmt.Errorf("open: %w", c.err))
		s := dial(t, "tcp", w.socks)
		send(t, s, "\x05\x01\x00\x05\x01\x00\x03"+string(rune(len(name)))+name+"\x00\x01")
		require.Equal(t, "\x05\x00\x05"+string(rune(c.socks))+"\x00\x01\x00\x00\x00\x00\x00\x00", rest(t, s), name)

		h := dial(t, "tcp", w.connect)
		send(t, h, "CONNECT "+name+":1 HTTP/1.1\r\n\r\n")
		answer := rest(t, h)
		require.Contains(t, answer, fmt.Sprintf("HTTP/1.1 %d ", c.status), name)
		require.Contains(t, answer, "error="+c.kind+"\r\n", name)
		require.NotContains(t, answer, "secret", name)
		require.Eventually(t, func() bool { return len(w.ended()) >= 2 }, 5*time.Second, time.Millisecond)
		for _, o := range w.ended() {
			require.Contains(t, listen.Results(), o.Result(), name)
		}
	}
	w.fail(forwarded.String(), flow.ErrRefused)
	isReset(t, w.forward) // and no end that looks like an empty answer
}

// TestWhoDoesNotTakeTheAnswerIsLeft: a place among the connections is not kept for a program that
// reads nothing. The pipe takes not one byte ahead, as a kernel without memory.
func TestWhoDoesNotTakeTheAnswerIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := listen.New(listen.Config{Opener: &direct{}, Log: zap.NewNop()})
		require.NoError(t, err)
		local, far := net.Pipe()
		defer func() { _ = far.Close() }()
		began := time.Now()
		var said error
		out := s.Carry(forwarded, local, func(error) error {
			_, said = io.WriteString(local, "HTTP/1.1 403 Forbidden")
			return said
		})
		require.ErrorIs(t, said, os.ErrDeadlineExceeded)
		require.ErrorIs(t, out.Failure, flow.ErrRefused)
		require.Equal(t, listen.DefaultGreeting, time.Since(began))
	})
}

func TestAnythingElseIsRefusedBeforeAFlow(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for name, c := range map[string]struct{ at, send, want string }{
		"SOCKS4":                        {w.socks, "\x04\x01\x00\x50\x7f\x00\x00\x01\x00", ""},
		"HTTP at the port of SOCKS":     {w.socks, "GET / HTTP/1.1\r\n\r\n", ""},
		"only passwords":                {w.socks, "\x05\x01\x02", "\x05\xff"},
		"no method":                     {w.socks, "\x05\x00", "\x05\xff"},
		"BIND":                          {w.socks, "\x05\x01\x00\x05\x02\x00\x03\x04echo\x00\x07", "\x05\x00\x05\x07"},
		"UDP ASSOCIATE":                 {w.socks, "\x05\x01\x00\x05\x03\x00\x03\x04echo\x00\x07", "\x05\x00\x05\x07"},
		"an unknown kind of address":    {w.socks, "\x05\x01\x00\x05\x01\x00\x05\x04echo\x00\x07", "\x05\x00\x05\x08"},
		"a name of no bytes":            {w.socks, "\x05\x01\x00\x05\x01\x00\x03\x00\x00\x07", "\x05\x00\x05\x02"},
		"a name with a space":           {w.socks, "\x05\x01\x00\x05\x01\x00\x03\x04ec o\x00\x07", "\x05\x00\x05\x02"},
		"an address that is no address": {w.socks, "\x05\x01\x00\x05\x01\x00\x03\x05127.1\x00\x07", "\x05\x00\x05\x02"},
		"port 0":                        {w.socks, "\x05\x01\x00\x05\x01\x00\x03\x04echo\x00\x00", "\x05\x00\x05\x02"},
		"GET":                           {w.connect, "GET http://echo:7/ HTTP/1.1\r\nHost: echo:7\r\n\r\n", "HTTP/1.1 405 "},
		"GET of the resources over TCP": {w.connect, "GET /resources HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 "},
		"a page's request":              {w.connect, "POST / HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 403 "},
		"CONNECT with an origin":        {w.connect, "CONNECT echo:7 HTTP/1.1\r\nOrigin: https://evil.example\r\n\r\n", "HTTP/1.1 403 "},
		"CONNECT for a page":            {w.connect, "CONNECT echo:7 HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\n\r\n", "HTTP/1.1 403 "},
		"CONNECT without a port":        {w.connect, "CONNECT echo HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
		"CONNECT to port 65543":         {w.connect, "CONNECT echo:65543 HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
		"CONNECT to a path":             {w.connect, "CONNECT /etc/passwd HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
		"a head without an end":         {w.connect, "CONNECT echo:7 HTTP/1.1\r\nX: " + strings.Repeat("x", 9<<10), "HTTP/1.1 400 "},
		"no HTTP":                       {w.connect, "\x16\x03\x01\x00\xa5\r\n\r\n", "HTTP/1.1 400 "},
	} {
		conn := dial(t, "tcp", c.at)
		send(t, conn, c.send)
		got := make([]byte, len(c.want))
		_, err := io.ReadFull(conn, got)
		require.NoError(t, err, name)
		require.Equal(t, c.want, string(got), name)
		_, _ = io.Copy(io.Discard, conn) // it ends
	}
	require.Empty(t, w.targets())
}

func TestWhoSaysNothingIsCut(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *listen.Config) { c.Greeting = 30 * time.Millisecond })
	for _, at := range []string{w.socks, w.connect} {
		c := dial(t, "tcp", at)
		send(t, c, "\x05")
		_, err := io.Copy(io.Discard, c)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	require.Empty(t, w.targets())
}

func TestOnlyUsersThatAreNamedMayConnect(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	const alice, mallory = 12345, 12346
	w := start(t, func(c *listen.Config) { c.Users = listen.Users{alice} })
	w.target(t, forwarded.String(), func(c *net.TCPConn) { _, _ = io.WriteString(c, "welcome") })
	program := copied(t)
	for name, c := range map[string]struct {
		uid  uint32
		at   string
		want string
	}{
		"alice":               {alice, "tcp " + w.forward, "welcome"},
		"mallory":             {mallory, "tcp " + w.forward, "cut\n"},
		"nobody":              {65534, "tcp " + w.forward, "cut\n"},
		"root, not named":     {0, "tcp " + w.forward, "cut\n"},
		"mallory, at SOCKS":   {mallory, "tcp " + w.socks, "cut\n"},
		"mallory, at a path":  {mallory, "unix " + w.unix, ""}, // a unix socket only ends
		"mallory, at CONNECT": {mallory, "tcp " + w.connect, "cut\n"},
	} {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Env = []string{connectTo + "=" + c.at}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		require.Equal(t, c.want, string(out), name)
	}
	require.Len(t, w.targets(), 1)
}

// copied is the test program where any user can run it.
func copied(t *testing.T) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "listen") //nolint:usetesting // other users cannot enter t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "test")
	hosttest.WriteProgram(t, path, self)
	return path
}

func TestMoreConnectionsThanThereMayBeAreCut(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *listen.Config) { c.Most = 1 })
	w.target(t, forwarded.String(), echo)
	one := dial(t, "tcp", w.forward)
	send(t, one, "a")
	require.Equal(t, "a", receive(t, one, 1))
	isReset(t, w.forward)
	require.NoError(t, one.Close())
	require.Eventually(t, func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.forward)
		if err != nil {
			return false
		}
		defer func() { _ = c.Close() }()
		_, err = c.Write([]byte("b"))
		b := make([]byte, 1)
		if err == nil {
			_, err = c.Read(b)
		}
		return err == nil && b[0] == 'b'
	}, 5*time.Second, 5*time.Millisecond, "there is room again")
}

func TestFlowsMayContinueForAWhileWhenItStops(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.drain = time.Minute
	w.target(t, forwarded.String(), echo)
	c := dial(t, "tcp", w.forward)
	send(t, c, "a")
	require.Equal(t, "a", receive(t, c, 1))
	stopped := make(chan struct{})
	go func() { defer close(stopped); w.stop() }()
	require.Eventually(t, func() bool {
		next, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.forward)
		if err == nil {
			_ = next.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}, 5*time.Second, time.Millisecond, "nobody new")
	send(t, c, "b")
	require.Equal(t, "b", receive(t, c, 1))
	require.NoError(t, c.Close())
	<-stopped
}

func TestAfterThatTheyAreCut(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.drain = 10 * time.Millisecond
	w.target(t, forwarded.String(), echo)
	c := dial(t, "tcp", w.forward)
	send(t, c, "a")
	require.Equal(t, "a", receive(t, c, 1))
	waiting := dial(t, "tcp", w.socks) // and one that asks for nothing yet
	require.Eventually(t, func() bool { return len(w.targets()) == 1 }, 5*time.Second, time.Millisecond)
	w.stop()
	_, err := io.Copy(io.Discard, c)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = io.Copy(io.Discard, waiting)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestAnAddressThatOthersReachIsRefused(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		_, err := listen.New(listen.Config{Faces: []listen.Face{{Protocol: listen.SOCKS5, Network: "tcp", Address: at}}, Log: zap.NewNop()})
		require.ErrorContains(t, err, "is not a loopback address", at)
	}
}

func TestTheResourcesAreAtTheSocket(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *listen.Config) {
		c.Resources = func() ([]byte, error) { return []byte(`{"resources":[]}`), nil }
	})
	c := dial(t, "unix", w.unix)
	send(t, c, "GET /resources HTTP/1.1\r\nHost: tunneler\r\n\r\n")
	require.Contains(t, rest(t, c), "Content-Length: 16\r\nConnection: close\r\n\r\n"+`{"resources":[]}`)
	require.Empty(t, w.ended(), "a question is no flow")
}

func TestDialAndResourcesAskTheTunnelerOfThisHost(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *listen.Config) {
		c.Resources = func() ([]byte, error) { return []byte(`{"resources":[]}`), nil }
	})
	w.target(t, "echo:7", echo)
	w.target(t, "first:7", func(c *net.TCPConn) { _, _ = io.WriteString(c, "SSH-2.0\n"); _, _ = io.Copy(c, c) })
	for _, host := range []string{"echo", "first"} {
		c, err := listen.Dial(t.Context(), w.unix, flow.Target{Host: host, Port: 7})
		require.NoError(t, err)
		if host == "first" {
			require.Equal(t, "SSH-2.0\n", receive(t, c, 8))
		}
		send(t, c, "ping")
		require.Equal(t, "ping", receive(t, c, 4))
		require.NoError(t, c.(interface{ CloseWrite() error }).CloseWrite())
		require.Empty(t, rest(t, c))
		require.NoError(t, c.Close())
	}
	_, err := listen.Dial(t.Context(), w.unix, flow.Target{Host: "vault", Port: 8200})
	require.EqualError(t, err, "not allowed, or there is no such target")
	all, err := listen.Resources(t.Context(), w.unix)
	require.NoError(t, err)
	require.JSONEq(t, `{"resources":[]}`, string(all))
}

func TestDialSaysWhyThereIsNoTunneler(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *listen.Config) { c.Users = nil })
	_, err := listen.Dial(t.Context(), w.unix, forwarded)
	require.ErrorIs(t, err, listen.ErrUser)
	_, err = listen.Resources(t.Context(), w.unix)
	require.ErrorIs(t, err, listen.ErrUser)
	w.stop()
	_, err = listen.Dial(t.Context(), w.unix, forwarded)
	require.ErrorIs(t, err, listen.ErrNotRunning)
}

func TestUsers(t *testing.T) {
	t.Parallel()
	uid, err := listen.ParseUser("root")
	require.NoError(t, err)
	require.Zero(t, uid)
	uid, err = listen.ParseUser("1000")
	require.NoError(t, err)
	require.EqualValues(t, 1000, uid)
	for _, s := range []string{"", "nosuchuser", "-1", "65534", "nobody", "4294967295", "4294967296", "1 000"} {
		_, err := listen.ParseUser(s)
		require.Error(t, err, s)
	}
	require.False(t, listen.Users{65534}.Have(65534), "every user whom the kernel cannot name")
}
