package app_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
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

// TestRootLeavesTheControllerItsLock: also when a command of root is killed, as at the
// question for the recovery key.
func TestRootLeavesTheControllerItsLock(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	const controller = 54321
	dir := evidence(t)
	require.NoError(t, os.Chown(dir, controller, controller))
	code, private, stderr := command("recovery", "init", "--data-dir", dir)
	require.Zero(t, code, stderr)
	lock := filepath.Join(dir, "lock")
	asked := watched{strings.NewReader(private), func() {
		var st unix.Stat_t
		require.NoError(t, unix.Lstat(lock, &st))
		require.Equal(t, uint32(controller), st.Uid)
	}}
	var errs bytes.Buffer
	code = cli.Execute(app.Root(), cli.Process{Args: []string{"recovery", "start", "--data-dir", dir}, Stdin: asked, Stdout: io.Discard, Stderr: &errs})
	require.Zero(t, code, errs.String())

	require.NoError(t, os.Remove(lock)) // and no link of that user leads root to another file
	elsewhere := filepath.Join(t.TempDir(), "made")
	require.NoError(t, os.Symlink(elsewhere, lock))
	code, _, _ = told(private, "recovery", "start", "--data-dir", dir)
	require.Equal(t, 1, code)
	require.NoFileExists(t, elsewhere)
}

// watched calls look before it is read.
type watched struct {
	io.Reader

	look func()
}

func (w watched) Read(p []byte) (int, error) {
	w.look()
	return w.Reader.Read(p)
}
