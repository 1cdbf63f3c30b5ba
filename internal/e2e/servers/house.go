package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// soon is how long a server may take to listen; it takes a second on an idle machine.
const soon = time.Minute

// User is whom servers run as. It exists in their mount namespaces only.
const (
	User = "flow"
	uid  = 47110
)

// House is a directory with servers.
type House struct {
	tb  testing.TB
	dir string
}

// New is an empty House. It and its servers end with the test.
func New(tb testing.TB) *House {
	tb.Helper()
	require.Zero(tb, os.Geteuid(), "servers run as another user, in a mount namespace: run it as root")
	dir, err := os.MkdirTemp("", "zts") //nolint:usetesting // the other user has to get there
	require.NoError(tb, err)
	tb.Cleanup(func() {
		err := world.Eventually(context.Background(), soon, "all servers have ended", func(context.Context) error { return running(dir) })
		_ = os.RemoveAll(dir)
		require.NoError(tb, err)
	})
	h := &House{tb: tb, dir: dir}
	require.NoError(tb, os.Chmod(dir, 0o755))
	for _, name := range []string{"home", "tools", "tmp"} {
		h.Mkdir(name)
	}
	for file, line := range map[string]string{
		"passwd": fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", User, uid, uid, h.Path("home")),
		"group":  fmt.Sprintf("%s:x:%d:\n", User, uid),
	} {
		was, err := os.ReadFile("/etc/" + file)
		require.NoError(tb, err)
		h.Write(file, string(was)+line)
		require.NoError(tb, os.Chmod(h.Path(file), 0o644))
	}
	return h
}

// running names a process that has this directory among its arguments.
func running(dir string) error {
	of, err := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range of {
		if line, _ := os.ReadFile(file); strings.Contains(string(line), dir) {
			return fmt.Errorf("%s: %q", file, line)
		}
	}
	return err
}

// Path is that of a file in it.
func (h *House) Path(name string) string { return filepath.Join(h.dir, name) }

// Tools is the directory in which the servers find the programs that require.sh has unpacked.
func (h *House) Tools() string { return h.Path("tools/bin") }

// Mkdir makes a directory of the servers.
func (h *House) Mkdir(name string) {
	h.tb.Helper()
	require.NoError(h.tb, os.MkdirAll(h.Path(name), 0o755))
	h.Own(name)
}

// Write writes a file of the servers.
func (h *House) Write(name, text string) (path string) {
	h.tb.Helper()
	require.NoError(h.tb, os.WriteFile(h.Path(name), []byte(text), 0o600))
	h.Own(name)
	return h.Path(name)
}

// Own gives a file, or a directory with what is in it, to the servers.
func (h *House) Own(name string) {
	h.tb.Helper()
	require.NoError(h.tb, filepath.WalkDir(h.Path(name), func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, uid, uid)
		}
		return err
	}))
}

// As makes a command one of the servers' user. Whatever it starts ends with it: unshare kills its
// child when it ends, but a process that becomes another user is not killed any more unless it
// says so itself.
func (h *House) As(name string, args ...string) world.Spec {
	h.tb.Helper()
	path := Tool(h.tb, name)
	mount := "mount --bind " + h.Path("passwd") + " /etc/passwd && mount --bind " + h.Path("group") + " /etc/group"
	if rest, ok := strings.CutPrefix(path, unpacked()+"/"); ok {
		path = filepath.Join(h.Path("tools"), rest)
	}
	if _, err := os.Stat(unpacked()); err == nil { // below a directory that only root may enter
		mount += " && mount --bind " + unpacked() + " " + h.Path("tools")
	}
	script := fmt.Sprintf(`%s && exec setpriv --reuid %d --regid %d --clear-groups --pdeathsig KILL -- "$@"`, mount, uid, uid)
	return world.Spec{
		Name: name, Dir: h.dir, Path: path, Args: args, Env: []string{"HOME=" + h.Path("home"), "LC_ALL=C.UTF-8"},
		Prefix: []string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-c", script, "sh"},
	}
}

// Start starts a server, and waits until it listens at the address.
func (h *House) Start(at, name string, args ...string) *world.Process {
	h.tb.Helper()
	p, err := world.Start(h.As(name, args...))
	require.NoError(h.tb, err)
	h.tb.Cleanup(p.Kill)
	ended := func() bool {
		select {
		case <-p.Done():
			return true
		default:
			return false
		}
	}
	err = world.Eventually(h.tb.Context(), soon, name+" listens", func(ctx context.Context) error {
		if ended() {
			return nil
		}
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	require.NoError(h.tb, err, "%s", p.Tail(20))
	require.False(h.tb, ended(), "%s ended: %s", name, p.Tail(20))
	return p
}

// unpacked is where scripts/require.sh puts them.
func unpacked() string {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "grpccontroller", "servers")
}

// Tool is the path of a program: of this machine, or what require.sh has unpacked.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	places := append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", filepath.Join(unpacked(), "bin"))
	postgres, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range append(places, postgres...) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil && filepath.IsAbs(path) {
			return path
		}
	}
	require.FailNow(tb, name+" is missing: run scripts/require.sh "+name)
	return ""
}

// Module is the path of a module of nginx, which comes in a package of its own.
func (h *House) Module(name string) string {
	h.tb.Helper()
	const modules = "/usr/lib/nginx/modules"
	for dir, as := range map[string]string{modules: modules, unpacked() + "/root" + modules: h.Path("tools/root" + modules)} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(as, name)
		}
	}
	require.FailNow(h.tb, name+" is missing: install Debian's package libnginx-mod-stream")
	return ""
}
