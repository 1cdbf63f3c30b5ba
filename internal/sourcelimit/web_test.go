package sourcelimit_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// pipes is a listener in memory. bufconn's would do but for its deadlines: one that
// net/http has taken back may still end a later read.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func listenOnPipes() *pipes {
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error { p.close(); return nil }

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// site is a web server on a limited listener, in a synctest bubble.
type site struct {
	pipe    *pipes
	lis     *sourcelimit.Listener
	handled atomic.Int64
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{pipe: listenOnPipes()}
	s.lis = sourcelimit.NewListener(s.pipe, sourcelimit.Caps{Most: 10, Anonymous: 10, AnonymousFrom: 10})
	srv := &http.Server{ReadTimeout: time.Hour, WriteTimeout: time.Hour, MaxHeaderBytes: 4 << 10, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.handled.Add(1)
		sourcelimit.IdentifyRequest(r.Context(), r.Header.Get("X-Caller"))
	})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- sourcelimit.Serve(ctx, srv, s.lis, time.Second) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	return s
}

func (s *site) open(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, far := net.Pipe()
	s.pipe.conns <- far
	t.Cleanup(func() { _ = c.Close() })
	return c, bufio.NewReader(c)
}

// ask returns whether the server wants to close the connection, or has.
func ask(c net.Conn, r *bufio.Reader, caller string) (closes bool) {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Caller: "+caller+"\r\n\r\n"); err != nil {
		return true
	}
	got, err := http.ReadResponse(r, nil)
	if err != nil {
		return true
	}
	_ = got.Body.Close()
	return got.Close
}

func TestWeb(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(*testing.T, *site){
		"cuts a flood of requests": func(t *testing.T, s *site) {
			c, r := s.open(t)
			for i := 0; !ask(c, r, ""); i++ {
				require.Less(t, i, 2000)
			}
			synctest.Wait() // the server closes before it counts
			require.LessOrEqual(t, s.handled.Load(), int64(1000))
			require.EqualValues(t, 1, s.lis.Closed(sourcelimit.ReasonFlood))
		},
		"tells a known caller to wait, and does not cut it": func(t *testing.T, s *site) {
			c, r := s.open(t)
			for range 1000 {
				require.False(t, ask(c, r, "one"))
			}
			require.False(t, ask(c, r, "one"), "refused with a reply")
			require.EqualValues(t, 1000, s.handled.Load())
			require.Zero(t, s.lis.Closed(sourcelimit.ReasonFlood))
			<-time.After(time.Second)
			require.False(t, ask(c, r, "one"))
			require.EqualValues(t, 1001, s.handled.Load())
		},
		"ends a stranger's connection that is old": func(t *testing.T, s *site) {
			c, r := s.open(t)
			require.False(t, ask(c, r, ""))
			<-time.After(11 * time.Minute)
			require.True(t, ask(c, r, ""))
		},
		"keeps one whose caller is known": func(t *testing.T, s *site) {
			c, r := s.open(t)
			require.False(t, ask(c, r, "person/ada"))
			all, anonymous := s.lis.Open()
			require.Equal(t, 1, all)
			require.Zero(t, anonymous)
			<-time.After(11 * time.Minute)
			require.False(t, ask(c, r, "person/ada"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { check(t, newSite(t)) })
		})
	}
}

// TestWebOfAnotherListener: a request that came by no limited connection is served.
func TestWebOfAnotherListener(t *testing.T) {
	t.Parallel()
	sourcelimit.IdentifyRequest(t.Context(), "nobody")
	require.Nil(t, sourcelimit.LimitedOf(nil))
}

// TestServeLetsRequestsEndAndCutsThoseThatDoNot and waits for both.
func TestServeLetsRequestsEndAndCutsThoseThatDoNot(t *testing.T) {
	t.Parallel()
	const drain = 10 * time.Second
	for name, takes := range map[string]time.Duration{"that is soon done": drain - time.Second, "that is not": time.Hour} {
		t.Run("a request "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pipe, begun := listenOnPipes(), make(chan struct{})
				server := &http.Server{ReadTimeout: time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 4 << 10, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					close(begun)
					select {
					case <-time.After(takes):
						_, _ = io.WriteString(w, "done")
					case <-r.Context().Done():
					}
				})}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- sourcelimit.Serve(ctx, server, pipe, drain) }()
				ours, theirs := net.Pipe()
				pipe.conns <- theirs
				answered := make(chan string, 1)
				go func() {
					_, _ = io.WriteString(ours, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					all, _ := io.ReadAll(ours)
					answered <- string(all)
				}()
				<-begun
				at := time.Now()
				cancel()
				require.NoError(t, <-ended)
				if got := <-answered; takes < drain {
					require.Contains(t, got, "done")
				} else {
					require.Empty(t, got)
				}
				require.LessOrEqual(t, time.Since(at), drain)
			})
		})
	}
	t.Run("a listener that fails", func(t *testing.T) {
		t.Parallel()
		pipe := listenOnPipes()
		require.NoError(t, pipe.Close())
		server := &http.Server{ReadTimeout: time.Second, WriteTimeout: time.Second, MaxHeaderBytes: 4 << 10}
		require.ErrorIs(t, sourcelimit.Serve(t.Context(), server, pipe, drain), net.ErrClosed)
	})
	for name, server := range map[string]*http.Server{
		"time to read":    {ReadHeaderTimeout: time.Second, WriteTimeout: time.Second, MaxHeaderBytes: 4 << 10},
		"time to write":   {ReadTimeout: time.Second, MaxHeaderBytes: 4 << 10},
		"size of headers": {ReadTimeout: time.Second, WriteTimeout: time.Second},
	} {
		t.Run("a server that bounds no "+name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, sourcelimit.Serve(t.Context(), server, listenOnPipes(), drain), "needs a ReadTimeout")
		})
	}
}
