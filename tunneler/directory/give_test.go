package directory_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

const runAs = 4242

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	return int(info.Sys().(*syscall.Stat_t).Uid) //nolint:forcetypeassert // on Linux it is
}

func onlyRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

func TestTheStateDirectoryIsGivenToItsUser(t *testing.T) {
	t.Parallel()
	onlyRoot(t)
	dir := filepath.Join(t.TempDir(), "a", "state")
	for range 2 { // also where it is the user's already
		require.NoError(t, directory.StoreFor(dir+"/", runAs, &zerotrustv1.Directory{Revision: 3}))
		require.Equal(t, runAs, ownerOf(t, dir))
		file := filepath.Join(dir, "directory.json")
		require.Equal(t, runAs, ownerOf(t, file))
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "no temporary file stays")
	}
	require.Zero(t, ownerOf(t, filepath.Dir(dir)), "what is above it stays root's")
}

func TestAStateDirectoryThatIsALinkIsNotGivenAway(t *testing.T) {
	t.Parallel()
	onlyRoot(t)
	etc, link := t.TempDir(), filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.Symlink(etc, link))
	for _, path := range []string{link, link + "/", link + "/."} {
		require.ErrorContains(t, directory.StoreFor(path, runAs, &zerotrustv1.Directory{}), "is a symbolic link or not a directory", path)
	}
	require.Zero(t, ownerOf(t, etc))
	entries, err := os.ReadDir(etc)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// TestNoLinkOnTheWayToTheStateDirectoryIsFollowed: the user may write in a directory
// above it and make the link before root enrolls.
func TestNoLinkOnTheWayToTheStateDirectoryIsFollowed(t *testing.T) {
	t.Parallel()
	onlyRoot(t)
	etc, home := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(etc, "state"), 0o700))
	require.NoError(t, os.Symlink(etc, filepath.Join(home, "link")))
	for _, below := range []string{"link/state", "link/new", "link/new/state"} {
		err := directory.StoreFor(filepath.Join(home, below), runAs, &zerotrustv1.Directory{})
		require.ErrorContains(t, err, filepath.Join(home, "link")+" is a symbolic link or not a directory", below)
		require.ErrorContains(t, err, "give a path without symbolic links", below)
	}
	require.Zero(t, ownerOf(t, filepath.Join(etc, "state")))
	require.NoDirExists(t, filepath.Join(etc, "new"), "nothing is made behind the link")
	entries, err := os.ReadDir(filepath.Join(etc, "state"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

// TestAUserWhoSwapsTheFileForALinkGetsNoFileOfRoot: the user owns the state directory
// since the first enrollment, and swaps for as long as root enrolls.
func TestAUserWhoSwapsTheFileForALinkGetsNoFileOfRoot(t *testing.T) {
	t.Parallel()
	onlyRoot(t)
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "shadow")
	require.NoError(t, os.WriteFile(victim, []byte("root's"), 0o600))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		link := filepath.Join(dir, "link")
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.Symlink(victim, link)
				_ = os.Rename(link, filepath.Join(dir, "directory.json"))
			}
		}
	}()
	var err error
	for range 100 {
		err = errors.Join(err, directory.StoreFor(dir, runAs, &zerotrustv1.Directory{Revision: 1}))
	}
	close(stop)
	<-done
	require.NoError(t, err)
	require.Zero(t, ownerOf(t, victim))
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "root's", string(text))
}
