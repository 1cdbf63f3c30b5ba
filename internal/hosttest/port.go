package hosttest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The kernel takes ports for others from 32768 on.
const first, count = 20_000, 12_000

// Port returns a port of 127.0.0.1 on which nobody listens. No other test gets it before
// this one has ended.
func Port(tb testing.TB) int {
	tb.Helper()
	from := rand.IntN(count) //nolint:gosec // spreads those who search at a time
	for i := range count {
		port := first + (from+i)%count
		if hold(tb, port) {
			return port
		}
	}
	require.FailNow(tb, "every port is taken")
	return 0
}

// Address returns 127.0.0.1 with such a port.
func Address(tb testing.TB) string {
	tb.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Port(tb)))
}

// hold is false if the port is another test's, or another program listens on it. The
// mark of a test is a socket whose name is the port's: the kernel lets one process of a
// network namespace have it, and takes it back from one that dies.
func hold(tb testing.TB, port int) bool {
	tb.Helper()
	number := strconv.Itoa(port)
	mark, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@grpccontroller-test-port-" + number, Net: "unixgram"})
	if err != nil {
		return false
	}
	if !free(port) {
		_ = mark.Close()
		return false
	}
	tb.Cleanup(func() { _ = mark.Close() })
	return true
}

// free says that nobody listens on the port. It binds and does not listen: a program that
// another test starts at this moment has a copy of each socket until it executes, and one
// that listened would answer for it.
func free(port int) bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) == nil &&
		unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}) == nil
}
