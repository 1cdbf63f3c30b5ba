package install_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/install"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

func TestTreeIsReadOnce(t *testing.T) {
	t.Parallel()
	tree, err := install.OpenTree(hosttest.InstallTree(t))
	require.NoError(t, err)
	require.Equal(t, hosttest.InstallVersion, tree.Version())
	require.Equal(t, []string{"linux-amd64", "linux-arm64"}, tree.Platforms())
	require.Equal(t, len(hosttest.InstallFiles()), tree.Files())
	require.True(t, tree.Has("setup.sh"))
	require.False(t, tree.Has("SHA256SUMS"))
	var size int64
	for _, content := range hosttest.InstallFiles() {
		size += int64(len(content))
	}
	require.Equal(t, size, tree.Size())
}

func TestNoTreeIsItsOwnError(t *testing.T) {
	t.Parallel()
	_, err := install.OpenTree(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, install.ErrNoTree)
}

// TestOpenTreeRefuses: these bytes run as root on every new host.
func TestOpenTreeRefuses(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("x"), 0o600))
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"a symbolic link out of it": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Symlink(secret, filepath.Join(dir, "extra")))
		}, "extra is not a regular file"},
		"a symbolic link within it": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Symlink("setup.sh", filepath.Join(dir, "extra")))
		}, "extra is not a regular file"},
		"a linked directory": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "linux-riscv64")))
		}, "linux-riscv64 is not a regular file"},
		"a pipe": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "extra"), 0o644))
		}, "extra is not a regular file"},
		"a file that others may write": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Chmod(filepath.Join(dir, "setup.sh"), 0o666))
		}, "setup.sh can be written by others"},
		"a file that its group may write": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Chmod(filepath.Join(dir, "setup.sh"), 0o664))
		}, "setup.sh can be written by others"},
		"a directory that others may write": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Chmod(filepath.Join(dir, "linux-amd64"), 0o777))
		}, "linux-amd64 can be written by others"},
		"a hidden file":               {write(".netrc", "x"), `".netrc" is not a name`},
		"a name with a space":         {write("a b", "x"), `"a b" is not a name`},
		"a name that breaks the sums": {write("a\nb", "x"), `is not a name`},
		"checksums of somebody else":  {write("SHA256SUMS", "x"), "SHA256SUMS is made by the controller"},
		"a key of somebody else":      {write("release.pub", "x"), "release.pub is made by the controller"},
		"a version of two lines":      {write("VERSION", "1\n2\n"), "VERSION is not one line"},
		"a version that is no word":   {write("VERSION", "$(id)\n"), "VERSION is not one line"},
		"a version without an end":    {write("VERSION", strings.Repeat("1", 4096)), "VERSION is not one line"},
		"no version": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Remove(filepath.Join(dir, "VERSION")))
		}, "is this an install tree?"},
		"too many files": {func(t *testing.T, dir string) {
			t.Helper()
			for i := range 256 {
				hosttest.WriteInstallFile(t, dir, "f"+strconv.Itoa(i), "")
			}
		}, "holds more than 256 files"},
		"a file that is too large": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Truncate(filepath.Join(dir, "setup.sh"), 512<<20+1)) // sparse
		}, "setup.sh is larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := hosttest.InstallTree(t)
			c.spoil(t, dir)
			_, err := install.OpenTree(dir)
			require.ErrorContains(t, err, c.want)
			require.NotErrorIs(t, err, install.ErrNoTree)
		})
	}
}

func write(path, content string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		hosttest.WriteInstallFile(t, dir, path, content)
	}
}

func TestReleaseKeyIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "release.key")
	made, err := install.OpenKey(path)
	require.NoError(t, err)
	require.True(t, made.Made)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	again, err := install.OpenKey(path)
	require.NoError(t, err)
	require.False(t, again.Made)
	require.Equal(t, made.Public(), again.Public())
	require.Equal(t, made.Fingerprint(), again.Fingerprint())

	t.Log("one that is broken is an error, not a reason to make another")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	_, err = install.OpenKey(path)
	require.ErrorContains(t, err, "open release key")
}

func sum(content string) string {
	s := sha256.Sum256([]byte(content))
	return hex.EncodeToString(s[:])
}
