package install_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/install"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

const patience = 20 * time.Second

// A file that no buffer of a kernel holds.
const (
	bigFile = "linux-amd64/big.tar.gz"
	bigSize = 64 << 20
)

// server serves a tree with a big file over TCP.
func server(t *testing.T, cfg install.Config) (*world, *httptest.Server) {
	t.Helper()
	w := &world{dir: hosttest.InstallTree(t)}
	hosttest.WriteInstallFile(t, w.dir, bigFile, "")
	require.NoError(t, os.Truncate(filepath.Join(w.dir, bigFile), bigSize)) // sparse
	var err error
	cfg.Tree, err = install.OpenTree(w.dir)
	require.NoError(t, err)
	cfg.Key, cfg.Result, cfg.Log = key(t), w.result, zap.NewNop()
	w.Service, err = install.New(cfg)
	require.NoError(t, err)
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	return w, s
}

// download asks for the big file from an address of this machine, and reads the
// headers of the reply. What this end buffers is little.
func download(t *testing.T, s *httptest.Server, from string) (net.Conn, reply) {
	t.Helper()
	dialer := net.Dialer{
		LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)},
		Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10) })
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "GET /install/"+bigFile+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = got.Body.Close() })
	return conn, reply{got.StatusCode, got.Header, got.Body}
}

// reply is what came back; the body is closed with the test.
type reply struct {
	StatusCode int
	Header     http.Header
	Body       io.Reader
}

func TestCutsWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stall time.Duration
		rate  int64
		drip  bool
	}{
		"at all":      {stall: 500 * time.Millisecond},
		"fast enough": {stall: time.Second, rate: 32 << 20, drip: true},
		"any more":    {stall: 500 * time.Millisecond, rate: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := server(t, install.Config{Stall: c.stall, Rate: c.rate})
			_, got := download(t, s, "127.0.0.1")
			require.Equal(t, http.StatusOK, got.StatusCode)
			if c.drip {
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				// The kernel says that there is room when a third of its buffer is free; at this
				// pace that is well within the stall.
				for err := error(nil); err == nil && !w.has("cut"); <-tick.C {
					_, err = io.CopyN(io.Discard, got.Body, 64<<10)
				}
			}
			require.Eventually(t, func() bool { return w.has("cut") }, patience, 5*time.Millisecond)
			n, err := io.Copy(io.Discard, got.Body)
			require.Error(t, err)
			require.Less(t, n, int64(bigSize))
		})
	}
}

func TestReadsAtTheirOwnPaceAreServedWhole(t *testing.T) {
	t.Parallel()
	w, s := server(t, install.Config{})
	_, got := download(t, s, "127.0.0.1")
	n, err := io.Copy(io.Discard, got.Body)
	require.NoError(t, err)
	require.Equal(t, int64(bigSize), n)
	require.Eventually(t, func() bool { return w.has("served") }, patience, time.Millisecond)
}

// TestCapsDownloads of an address and in all.
func TestCapsDownloads(t *testing.T) {
	t.Parallel()
	w, s := server(t, install.Config{Stall: time.Minute})
	var first net.Conn
	for _, from := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"} {
		for range 32 {
			conn, got := download(t, s, from)
			require.Equal(t, http.StatusOK, got.StatusCode)
			if first == nil {
				first = conn
			}
		}
		if from == "127.0.0.1" {
			_, got := download(t, s, from)
			require.Equal(t, http.StatusServiceUnavailable, got.StatusCode, "no 33rd of an address")
			require.Equal(t, "5", got.Header.Get("Retry-After"))
			require.True(t, w.has("busy"))
		}
	}
	_, got := download(t, s, "127.0.0.5")
	require.Equal(t, http.StatusServiceUnavailable, got.StatusCode, "no 129th at all")
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool {
		_, got := download(t, s, "127.0.0.5")
		return got.StatusCode == http.StatusOK
	}, patience, 20*time.Millisecond, "a place that was left is free")
}
