package hosttest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// InstallVersion is that of the trees of this package.
const InstallVersion = "1.2.3"

// InstallFiles is a whole release, by path, with contents that are short.
func InstallFiles() map[string]string {
	files := map[string]string{
		"VERSION":           InstallVersion + "\n",
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

// InstallTree writes InstallFiles to a new directory.
func InstallTree(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for path, content := range InstallFiles() {
		WriteInstallFile(t, dir, path, content)
	}
	return dir
}

// WriteInstallFile writes one file of a tree.
func WriteInstallFile(t testing.TB, dir, path, content string) {
	t.Helper()
	path = filepath.Join(dir, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}
