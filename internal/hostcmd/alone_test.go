package hostcmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
)

// TestASecondProgramOfOneMemberDoesNotStart: the controller called its host cloned, and
// revoked it under quarantine.
func TestASecondProgramOfOneMemberDoesNotStart(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "api.sock")
	const me, other = "spiffe://a/tunneler/me", "spiffe://a/tunneler/other"
	release, err := hostcmd.Alone(t.Context(), socket, me)
	require.NoError(t, err)
	// However often a unit tries: the queue of the socket has 4,096 places.
	for i := range 5000 {
		if _, err = hostcmd.Alone(t.Context(), socket, me); err == nil {
			t.Fatalf("let in at try %d", i)
		}
	}
	require.ErrorContains(t, err, fmt.Sprintf("%s already runs on this host, as process %d: stop it first", me, os.Getpid()))

	second, err := hostcmd.Alone(t.Context(), socket, other)
	require.NoError(t, err, "another member of the host")
	second()
	elsewhere, err := hostcmd.Alone(t.Context(), filepath.Join(t.TempDir(), "api.sock"), me)
	require.NoError(t, err, "beside another agent it is another host, as in a test")
	elsewhere()

	release()
	again, err := hostcmd.Alone(t.Context(), socket, me)
	require.NoError(t, err, "a restart")
	again()
}
