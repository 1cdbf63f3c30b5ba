package spiretest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// Binary returns the path of spire-server or spire-agent and fails the test when
// there is none that is new enough. Skipping would hide that nothing was tested.
func Binary(tb testing.TB, name string) string {
	tb.Helper()
	variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_BIN"
	path, err := proc.Find(name, variable, filepath.Join(moduleRoot(), "bin"))
	if err != nil {
		tb.Fatalf("this test needs the real %s: run make spire (%v)", name, err)
	}
	minimum := map[string]string{"spire-server": proc.MinimumServer, "spire-agent": proc.MinimumAgent}[name]
	require.NoError(tb, proc.RequireVersion(tb.Context(), path, minimum))
	return path
}

// moduleRoot is two folders above this file.
func moduleRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// TempDir is like tb.TempDir with a path short enough for Unix sockets.
func TempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "zt") //nolint:usetesting // t.TempDir's path is too long for a socket
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
