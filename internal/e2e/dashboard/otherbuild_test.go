package dashboard_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hashed is the name of a file that vite wrote: a part of the application and the hash
// of its content.
var hashed = regexp.MustCompile(`^(.+-[\w-]{8})(\.\w+)$`)

// otherBuild is a directory with a controller that has another build of the dashboard, as
// after an upgrade: each part of the application has another name, and none of the old names
// is there. The other programs are those of bin.
func otherBuild(t *testing.T, bin string) string {
	t.Helper()
	dist, err := filepath.Abs(filepath.Join(ui, "dist"))
	require.NoError(t, err)
	dir := t.TempDir()
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": renamed(t, dist, filepath.Join(dir, "dist"))})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, text, 0o600))

	programs := filepath.Join(dir, "bin")
	require.NoError(t, os.Mkdir(programs, 0o700))
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w",
		"-overlay", overlay, "-o", filepath.Join(programs, "grpccontroller"), "./controller")
	build.Dir = "../../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range []string{"grpcconnector", "grpctunneler", "spire-server", "spire-agent"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			continue // named by an environment variable
		}
		path, err := filepath.Abs(filepath.Join(bin, name))
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(programs, name)))
	}
	return programs
}

// renamed writes the build with other names to a directory, and returns what go build has to
// take instead of the files in dist.
func renamed(t *testing.T, dist, to string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dist, "assets"))
	require.NoError(t, err, "run make ui")
	var names []string
	for _, f := range files {
		if hashed.MatchString(f.Name()) {
			names = append(names, f.Name(), hashed.ReplaceAllString(f.Name(), "${1}next${2}"))
		}
	}
	require.Greater(t, len(names), 40, "the parts of the application")
	follow := strings.NewReplacer(names...)
	require.NoError(t, os.MkdirAll(to, 0o700))

	overlay := map[string]string{}
	for _, f := range files {
		overlay[filepath.Join(dist, "assets", f.Name())] = "" // removed, also what is compressed
	}
	write := func(from, name string) {
		body, err := os.ReadFile(from)
		require.NoError(t, err)
		if !bytes.ContainsRune(body, 0) { // text: fonts name nothing
			body = []byte(follow.Replace(string(body)))
		}
		path := filepath.Join(to, filepath.Base(name))
		require.NoError(t, os.WriteFile(path, body, 0o600))
		overlay[filepath.Join(dist, name)] = path
	}
	write(filepath.Join(dist, "index.html"), "index.html")
	for i := 0; i < len(names); i += 2 {
		write(filepath.Join(dist, "assets", names[i]), filepath.Join("assets", names[i+1]))
	}
	return overlay
}
