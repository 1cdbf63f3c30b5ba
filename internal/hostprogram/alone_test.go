package hostprogram_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
)

// TestASecondProgramOfOneMemberDoesNotStart: the controller called its host cloned, and
// revoked it under quarantine.
func TestASecondProgramOfOneMemberDoesNotStart(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "api.sock")
	const me, other = "spiffe://a/tunneler/me", "spiffe://a/tunneler/other"
	release, err := hostprogram.Alone(t.Context(), socket, me)
	require.NoError(t, err)
	// However often a unit tries: the queue of the socket has 4,096 places.
	for i := range 5000 {
		if _, err = hostprogram.Alone(t.Context(), socket, me); err == nil {
			t.Fatalf("let in at try %d", i)
		}
	}
	require.ErrorContains(t, err, fmt.Sprintf("%s already runs on this host, as process %d: stop it first", me, os.Getpid()))

	second, err := hostprogram.Alone(t.Context(), socket, other)
	require.NoError(t, err, "another member of the host")
	second()
	elsewhere, err := hostprogram.Alone(t.Context(), filepath.Join(t.TempDir(), "api.sock"), me)
	require.NoError(t, err, "beside another agent it is another host, as in a test")
	elsewhere()

	release()
	again, err := hostprogram.Alone(t.Context(), socket, me)
	require.NoError(t, err, "a restart")
	again()
}

// TestAChildThatIsBeingStartedHoldsNoName: it has a copy of each descriptor until it runs
// another program. Here the copy stays.
func TestAChildThatIsBeingStartedHoldsNoName(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "api.sock")
	before := listening(t)
	release, err := hostprogram.Alone(t.Context(), socket, "spiffe://a/tunneler/me")
	require.NoError(t, err)
	copies := 0
	for fd := range listening(t) {
		if before[fd] {
			continue
		}
		if copied, err := unix.Dup(fd); err == nil { // another test may have closed its own
			copies++
			t.Cleanup(func() { _ = unix.Close(copied) })
		}
	}
	require.Positive(t, copies)
	release()
	again, err := hostprogram.Alone(t.Context(), socket, "spiffe://a/tunneler/me")
	require.NoError(t, err)
	again()
}

// listening are the descriptors of this process that are Unix sockets with an abstract name.
func listening(t *testing.T) map[int]bool {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	out := map[int]bool{}
	for _, f := range open {
		fd, err := strconv.Atoi(f.Name())
		require.NoError(t, err)
		name, err := unix.Getsockname(fd)
		if at, ok := name.(*unix.SockaddrUnix); err == nil && ok && strings.HasPrefix(at.Name, "@grpccontroller/") {
			out[fd] = true
		}
	}
	return out
}
