package installtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Version is that of the trees of this package.
const Version = "1.2.3"

// Files is a whole release, by path, with contents that are short.
func Files() map[string]string {
	files := map[string]string{
		"VERSION":           Version + "\n",
		"setup.sh":          "#!/bin/bash\necho a placeholder of setup.sh\n",
		"tunneler-setup.sh": "#!/bin/bash\necho a placeholder of tunneler-setup.sh\n",
	}
	for _, platform := range []string{"linux-amd64", "linux-arm64"} {
		for _, name := range []string{"grpcconnector", "grpctunneler", "grpc-spire-agent"} {
			files[platform+"/"+name+".tar.gz"] = "the archive " + name + " of " + platform
		}
	}
	return files
}

// Tree writes Files to a new directory.
func Tree(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for path, content := range Files() {
		Write(t, dir, path, content)
	}
	return dir
}

// Write writes one file of a tree.
func Write(t testing.TB, dir, path, content string) {
	t.Helper()
	path = filepath.Join(dir, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}
