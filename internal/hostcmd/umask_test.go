package hostcmd_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheServiceCanReadTheConfFileWhateverTheUmaskIs: the program reads it again as a
// user of its own. The umask is the process's, so this test runs alone.
func TestTheServiceCanReadTheConfFileWhateverTheUmaskIs(t *testing.T) { //nolint:paralleltest // see above
	c := startController(t)
	args, dir := enrollArgs(t, c)
	conf := filepath.Join(dir, "etc", "below", "tunneler.conf")
	before := syscall.Umask(0o077)
	got := run(token+"\n", append(args, "--no-systemd", "--conf", conf)...)
	syscall.Umask(before)
	require.Zero(t, got.code, got.stderr)
	for path, mode := range map[string]os.FileMode{conf: 0o644, filepath.Dir(conf): 0o755, filepath.Join(dir, "etc"): 0o755} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
}
