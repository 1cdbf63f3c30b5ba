package hosttest

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// SmallDisk is a file system of its own, of the size that mount(8) calls "64k". Only
// root can make one; the test of another user is skipped.
func SmallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}
