package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestBackupAndRestoreByTheCommandLine: each way that they do not work has its exit code
// and says what to do.
func TestBackupAndRestoreByTheCommandLine(t *testing.T) {
	t.Parallel()
	dir, file := evidence(t), filepath.Join(t.TempDir(), "backup.tar")
	lock := filepath.Join(dir, "lock")
	f, err := os.Create(lock)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)) // a controller runs

	code, stdout, stderr := command("backup", file, "--data-dir", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, file)
	require.Contains(t, stdout, "--with-seal-key")
	require.Contains(t, stdout, "SPIRE is external")
	code, _, stderr = command("backup", file, "--data-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "choose another name")
	code, _, stderr = command("backup", file+"2", "--data-dir", t.TempDir())
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "set --data-dir")
	code, _, _ = command("backup", "--data-dir", dir)
	require.Equal(t, 2, code)

	code, _, stderr = command("restore", file, "--force", "--data-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "in use by another grpccontroller")
	require.NoError(t, f.Close())
	code, _, stderr = command("restore", file, "--data-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "--force")
	code, _, stderr = command("restore", file+"-none", "--data-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "no such file")
	code, stdout, stderr = command("restore", file, "--force", "--data-dir", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "before-restore-")
	require.Contains(t, stdout, "grpcconnector witness reset --yes")
	require.FileExists(t, lock)

	fresh := filepath.Join(t.TempDir(), "new")
	code, stdout, stderr = command("restore", file, "--data-dir", fresh)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "the controller first collects the revocations that connectors hold")
	require.NoFileExists(t, filepath.Join(fresh, "lock"), "root's would keep the controller out")
	code, _, stderr = command("audit", "verify", "--data-dir", fresh)
	require.Zero(t, code, stderr)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "restore.incomplete"), nil, 0o600))
	code, _, stderr = command("serve", "--data-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "was interrupted")
	code, _, stderr = command("backup", file+"3", "--data-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "was interrupted")
}
