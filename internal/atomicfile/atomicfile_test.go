package atomicfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	t.Run("replaces content and mode and leaves nothing beside", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "f")
		require.NoError(t, os.WriteFile(path, []byte("an older and longer content"), 0o644))
		require.NoError(t, atomicfile.Write(path, []byte("new"), 0o600))
		got, err := atomicfile.Read(path, 3)
		require.NoError(t, err)
		require.Equal(t, "new", string(got))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1)
	})
	t.Run("fails where the directory is missing", func(t *testing.T) {
		t.Parallel()
		require.ErrorIs(t, atomicfile.Write(filepath.Join(t.TempDir(), "no", "f"), nil, 0o600), fs.ErrNotExist)
	})
	t.Run("leaves nothing when the target is a directory", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
		require.Error(t, atomicfile.Write(filepath.Join(dir, "d"), nil, 0o600))
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1)
	})
}

func TestCreateChangesNothingThatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, atomicfile.Create(path, []byte("first"), 0o600))
	require.ErrorIs(t, atomicfile.Create(path, []byte("second"), 0o600), fs.ErrExist)
	require.NoError(t, os.Symlink("f", filepath.Join(dir, "link")))
	require.ErrorIs(t, atomicfile.Create(filepath.Join(dir, "link"), []byte("third"), 0o600), fs.ErrExist)
	got, err := atomicfile.Read(path, 99)
	require.NoError(t, err)
	require.Equal(t, "first", string(got))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "no temporary file stays")
}

func TestAFullDiskIsSaidWithThePath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(hosttest.SmallDisk(t, "64k"), "f")
	for name, write := range map[string]func(string, []byte, fs.FileMode) error{"write": atomicfile.Write, "create": atomicfile.Create} {
		err := write(path, make([]byte, 1<<20), 0o600)
		require.ErrorIs(t, err, atomicfile.ErrDiskFull, name)
		require.ErrorIs(t, err, syscall.ENOSPC, name)
		require.EqualError(t, err, "disk full: "+path+" cannot be written (no space left on device): make room there")
		require.Equal(t, err, atomicfile.Explain("/elsewhere", err), "it is said once")
	}
	require.ErrorIs(t, atomicfile.Explain(path, fs.ErrPermission), fs.ErrPermission)
	require.NotErrorIs(t, atomicfile.Explain(path, fs.ErrPermission), atomicfile.ErrDiskFull)
	require.NoError(t, atomicfile.Explain(path, nil))
}

func TestReadRefusesMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, atomicfile.Write(path, []byte("1234"), 0o600))
	_, err := atomicfile.Read(path, 3)
	require.ErrorIs(t, err, atomicfile.ErrTooLarge)
}
