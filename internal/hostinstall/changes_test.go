package hostinstall_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostinstall"
)

// TestAFileIsNotWrittenThroughALinkInItsPlace: a run that was killed, or somebody else,
// may have left anything under the name that the new file has until it is whole.
func TestAFileIsNotWrittenThroughALinkInItsPlace(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	shadow := filepath.Join(root, "shadow")
	require.NoError(t, os.WriteFile(shadow, []byte("root's"), 0o600))
	for _, left := range []string{"file.by-setup", "file"} {
		require.NoError(t, os.Symlink(shadow, filepath.Join(root, left)))
	}
	c := hostinstall.NewChanges(hostinstall.Host{Root: root})
	require.NoError(t, c.Place("/file", strings.NewReader("new"), 0o644))
	c.Keep()
	text, err := os.ReadFile(shadow)
	require.NoError(t, err)
	require.Equal(t, "root's", string(text))
	info, err := os.Lstat(filepath.Join(root, "file"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode(), "a file, and no link")
}
