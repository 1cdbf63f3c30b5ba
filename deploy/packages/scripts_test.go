package packages_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// box is a host on which the maintainer scripts of grpc-spire-agent run: its
// directories are below a temporary one, its accounts are files, and the tools for
// them are fakes.
type box struct {
	t    *testing.T
	root string
}

// The fakes. An account is a file users/NAME or groups/NAME with its number.
const (
	fakeGetent = `case $1 in passwd) d=users ;; group) d=groups ;; esac
shift; rc=2
for n; do if [ -e "$ROOT/$d/$n" ]; then echo "$n:x:$(cat "$ROOT/$d/$n"):"; rc=0; fi; done
exit $rc`
	fakeID       = `[ "$1" = -u ] && cat "$ROOT/users/$2" 2>/dev/null`
	fakeSysusers = `for d in users groups; do [ -e "$ROOT/$d/spire-agent" ] || echo 997 >"$ROOT/$d/spire-agent"; done`
	fakeTmpfiles = `mkdir -p "$ROOT/var/lib/spire-agent"`
	fakeUsermod  = `[ "$1" = -g ] && [ -e "$ROOT/groups/$2" ] && : >"$ROOT/other-group"`
	fakeUserdel  = `rm "$ROOT/users/$1" && { [ -e "$ROOT/other-group" ] || rm -f "$ROOT/groups/$1"; }`
)

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, root: t.TempDir()}
	require.NoError(t, os.Mkdir(b.path("bin"), 0o700))
	for name, text := range map[string]string{
		"getent": fakeGetent, "id": fakeID, "systemd-sysusers": fakeSysusers, "systemd-tmpfiles": fakeTmpfiles, "usermod": fakeUsermod, "userdel": fakeUserdel,
		"systemctl": "exit 0",
	} {
		hosttest.WriteProgram(t, b.path("bin/"+name), "#!/bin/sh\n"+text+"\n")
	}
	b.write("groups/nogroup", "65534")
	b.write("users/root", "0")
	b.write("etc/other", "")
	b.write("var/lib/other", "")
	return b
}

func (b *box) path(name string) string { return filepath.Join(b.root, name) }

func (b *box) write(name, text string) {
	require.NoError(b.t, os.MkdirAll(filepath.Dir(b.path(name)), 0o700))
	require.NoError(b.t, os.WriteFile(b.path(name), []byte(text), 0o600))
}

// script runs one, filled in as scripts/packages.sh does.
func (b *box) script(name string, args ...string) (string, error) {
	text, err := os.ReadFile(name + ".sh")
	require.NoError(b.t, err)
	filled := strings.NewReplacer(
		"/usr/lib/", b.path("usr/lib")+"/", "/run/systemd/system", b.path("none"), "@MADE@", b.path("var/lib/misc/grpc-spire-agent.made"),
		"@AGENT@", b.path("var/lib/spire-agent"), "@PACKAGE@", "grpc-spire-agent", "@UNITS@", "spire-agent.service", "@UNIT@", "spire-agent.service",
		"@STATE@", b.path("etc/grpc-spire-agent")+" "+b.path("var/lib/spire-agent"), "@USER@", "spire-agent",
	).Replace(string(text))
	require.NotContains(b.t, filled, "@")
	cmd := exec.CommandContext(context.WithoutCancel(b.t.Context()), "/bin/sh", append([]string{"-s", "--"}, args...)...)
	cmd.Stdin = strings.NewReader(filled)
	cmd.Env = []string{"PATH=" + b.path("bin") + ":" + os.Getenv("PATH"), "ROOT=" + b.root}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b *box) run(name string, args ...string) string {
	b.t.Helper()
	out, err := b.script(name, args...)
	require.NoError(b.t, err, out)
	return out
}

// install does what dpkg does, and then what the agent does.
func (b *box) install() {
	b.t.Helper()
	b.run("preinstall", "install")
	b.unpack()
	b.run("postinstall", "configure", "")
	b.write("var/lib/spire-agent/host.key", "secret")
}

func (b *box) unpack() {
	b.write("usr/lib/sysusers.d/grpc-spire-agent.conf", "")
	b.write("usr/lib/tmpfiles.d/grpc-spire-agent.conf", "")
	b.write("etc/grpc-spire-agent/agent.conf", "")
}

func (b *box) purge() string {
	b.t.Helper()
	b.run("preremove", "remove")
	b.run("postremove", "remove")
	require.FileExists(b.t, b.path("var/lib/spire-agent/host.key"), "removing keeps the identity")
	return b.run("postremove", "purge")
}

func (b *box) files() (out []string) {
	require.NoError(b.t, filepath.WalkDir(b.root, func(path string, _ os.DirEntry, err error) error {
		if name, _ := filepath.Rel(b.root, path); err == nil && !strings.HasPrefix(name, "bin") && !strings.HasPrefix(name, "usr") {
			out = append(out, name)
		}
		return err
	}))
	return out
}

func TestPurgeRemovesWhatThePackageMade(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	require.NoError(t, os.MkdirAll(b.path("var/lib/misc"), 0o700))
	fresh := b.files()
	b.install()
	require.FileExists(t, b.path("users/spire-agent"))
	b.purge()
	require.Equal(t, fresh, b.files())

	t.Log("after an upgrade, and after an installation of what was removed, too")
	b.install()
	b.run("preinstall", "upgrade", "1.0")
	b.run("postinstall", "configure", "1.0")
	b.run("postremove", "upgrade", "1.1")
	b.run("postremove", "remove")
	b.run("preinstall", "install", "1.0")
	b.run("postinstall", "configure", "1.0")
	b.purge()
	require.Equal(t, fresh, b.files())
}

func TestPurgeLeavesWhatWasThereBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(b *box)
		stays  []string
	}{
		"the user":            {func(b *box) { b.write("users/spire-agent", "1001"); b.write("groups/spire-agent", "1001") }, []string{"users/spire-agent", "groups/spire-agent"}},
		"the group":           {func(b *box) { b.write("groups/spire-agent", "1001") }, []string{"groups/spire-agent"}},
		"the state directory": {func(b *box) { b.write("var/lib/spire-agent/host.conf", "mine") }, []string{"var/lib/spire-agent/host.conf"}},
		"the configuration":   {func(b *box) { b.write("etc/grpc-spire-agent/mine", "mine") }, []string{"etc/grpc-spire-agent/mine"}},
		"everything, of an old package": {func(b *box) {
			b.unpack()
			b.run("postinstall", "configure", "")
			b.write("var/lib/spire-agent/host.key", "")
		}, []string{"users/spire-agent", "groups/spire-agent", "var/lib/spire-agent/host.key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			c.before(b)
			b.install()
			b.purge()
			for _, file := range c.stays {
				require.FileExists(t, b.path(file))
			}
			require.NoFileExists(t, b.path("var/lib/misc/grpc-spire-agent.made"))
		})
	}
	t.Run("a user that an operator made since, in place of ours", func(t *testing.T) {
		t.Parallel()
		b := newBox(t)
		b.install()
		b.write("users/spire-agent", "1001")
		b.purge()
		require.FileExists(t, b.path("users/spire-agent"))
	})
}

// TestAnotherAgentsDirectoryIsNotTakenOver: tmpfiles.d would give it to our user.
func TestAnotherAgentsDirectoryIsNotTakenOver(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.write("var/lib/spire-agent/svid.key", "another's")
	before := b.files()
	out, err := b.script("preinstall", "install")
	require.Error(t, err)
	require.Contains(t, out, "holds svid.key, which is another SPIRE agent's")
	require.Equal(t, before, b.files())
}
