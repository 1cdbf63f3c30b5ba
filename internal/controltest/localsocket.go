package controltest

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
)

// SocketDir is a directory that every user may enter, with a path short enough for sockets.
func SocketDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "zt") //nolint:usetesting // t.TempDir's path is too long for a socket
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(tb, os.Chmod(dir, 0o711)) //nolint:gosec // that is what it is for
	return dir
}

// ListenAdmin opens a socket to all users of the host.
func ListenAdmin(tb testing.TB) (l *localsocket.Listener, path string) {
	tb.Helper()
	path = filepath.Join(SocketDir(tb), "admin.sock")
	l, err := localsocket.Listen(path)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = l.Close() })
	require.NoError(tb, os.Chmod(path, 0o666)) //nolint:gosec // that is what it is for
	return l, path
}

// NeedRoot skips a test that plays other users where that is not possible.
func NeedRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("only root can be another user: make test runs this as root")
	}
}

// DialAdminAs connects to the socket at path as another user.
func DialAdminAs(tb testing.TB, path string, uid uint32) (conn net.Conn) {
	tb.Helper()
	AsUser(tb, uid, func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(tb.Context(), "unix", path)
		return err
	})
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// AsUser runs fn as another user, without capabilities. The kernel has the user of a
// thread, so one thread is enough; it ends at once.
func AsUser(tb testing.TB, uid uint32, fn func() error) {
	tb.Helper()
	NeedRoot(tb)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread must not serve anybody else
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			done <- errno
			return
		}
		done <- fn()
	}()
	require.NoError(tb, <-done)
}

// DialAdmin connects as this process.
func DialAdmin(tb testing.TB, path string) net.Conn {
	tb.Helper()
	conn, err := (&net.Dialer{}).DialContext(tb.Context(), "unix", path)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// AskAdmin sends a GET of a path over a connection and returns the status of the answer;
// headers go over those that a program sends.
func AskAdmin(tb testing.TB, conn net.Conn, path string, headers http.Header) int {
	tb.Helper()
	status, err := ask(tb.Context(), conn, path, headers)
	require.NoError(tb, err)
	return status
}

// AskAdminAs is AskAdmin by another user, to whom the connection was handed.
func AskAdminAs(tb testing.TB, conn net.Conn, uid uint32, path string) (status int) {
	tb.Helper()
	AsUser(tb, uid, func() (err error) {
		status, err = ask(tb.Context(), conn, path, nil)
		return err
	})
	return status
}

func ask(ctx context.Context, conn net.Conn, path string, headers http.Header) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, err
	}
	for name, values := range headers {
		req.Header[name] = values
	}
	if err := req.Write(conn); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
