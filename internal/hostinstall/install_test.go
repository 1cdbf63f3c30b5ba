package hostinstall_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostinstall"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// installed is a host with a connector that runs.
func installed(t *testing.T) *fakeHost {
	t.Helper()
	h := newFakeHost(t)
	h.enroll = h.enrolls
	out, code := h.run()
	require.Zero(t, code, out)
	return h
}

func noToken(c *hostinstall.Config) { c.Token = "" }

func TestInstallsEnrollsAndStarts(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	h.enroll = h.enrolls
	out, code := h.run()
	require.Zero(t, code, out)
	require.Contains(t, out, "connector/gw is installed, enrolled and ready")
	require.Contains(t, out, "all users can see it among sudo's arguments (ps)")
	for path, mode := range map[string]fs.FileMode{
		"/usr/bin/grpcconnector": 0o755, "/usr/lib/grpc-spire-agent/host-agent": 0o755, "/usr/lib/grpc-spire-agent/spire-agent": 0o755,
		"/etc/systemd/system/grpcconnector.service": 0o644, "/etc/grpcconnector/connector.conf": 0o644, "/etc/grpc-spire-agent/agent.conf": 0o644,
		"/etc/grpc-spire-agent/release.pub": 0o644, "/var/lib/misc/grpc-spire-agent.made": 0o644,
	} {
		info, err := os.Stat(h.at(path))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), path)
	}
	require.Equal(t, "path /var/lib/spire-agent\ngroup\nuser 997\n", h.read("/var/lib/misc/grpc-spire-agent.made"))
	require.True(t, h.active["grpcconnector.service"] && h.active["spire-agent.service"])
	require.NotRegexp(t, `before-setup|by-setup`, strings.Join(h.tree(), "\n"))
}

// TestATokenEndsWithItsLine: ssh without -n keeps the other end of a pipe open.
func TestATokenEndsWithItsLine(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	h.enroll = h.enrolls
	out, code := h.run(noToken, func(c *hostinstall.Config) {
		c.Stdin = io.MultiReader(strings.NewReader("\n"+goodToken+"\r\n"), iotest.ErrReader(errors.New("it waits for more")))
	})
	require.Zero(t, code, out)
}

func TestTheSameCommandAgainChangesNothingAndNeedsNoToken(t *testing.T) {
	t.Parallel()
	h := installed(t)
	before := h.tree()
	h.taken["0.0.0.0:9443"] = errors.New("our own program has it")
	out, code := h.run(noToken)
	require.Zero(t, code, out)
	require.Contains(t, out, "nothing to do")
	require.Empty(t, cmp.Diff(before, h.tree()))
	require.NotRegexp(t, changingCalls, strings.Join(h.calls, "\n"))
}

var changingCalls = regexp.MustCompile(`(?m)^systemctl (restart|--quiet enable|daemon-reload)|enroll`)

// TestWhicheverChangeFailsIsUndone makes each of them fail in turn, until a run comes to
// its end without a fault.
func TestWhicheverChangeFailsIsUndone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin  func(t *testing.T) *fakeHost
		enroll func(h *fakeHost)
		call   func(*hostinstall.Config)
		least  int
	}{
		"of a first installation, whose token is refused": {newFakeHost, func(h *fakeHost) {
			h.enroll = func([]string, string) int {
				h.write("/var/lib/spire-agent/host.key", "a key")
				h.write("/etc/grpcconnector/connector.conf", "broken")
				return 3
			}
		}, func(*hostinstall.Config) {}, 35},
		"of an upgrade": {func(t *testing.T) *fakeHost {
			t.Helper()
			h := installed(t)
			h.shop.Upgrade("exit 3", "v1.10.0")
			return h
		}, func(*fakeHost) {}, noToken, 30},
		"of an enrollment anew that is refused": {installed, func(h *fakeHost) {
			h.enroll = func([]string, string) int {
				for _, file := range []string{"host.key", "host.crt", "host.json"} {
					path := h.at("/var/lib/spire-agent/" + file)
					require.NoError(h.t, os.Rename(path, path+".20261122T101112Z"))
				}
				h.write("/var/lib/spire-agent/host.key", "another key")
				return 3
			}
		}, func(c *hostinstall.Config) { c.Options.Force = true }, 5},
		"of another address": {installed, func(*fakeHost) {}, func(c *hostinstall.Config) {
			c.Token, c.Variables.ControllerAddr = "", strings.Replace(c.Variables.ControllerAddr, "127.0.0.1", "localhost", 1)
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := c.begin(t)
			c.enroll(h)
			before := h.tree()
			for h.failAt = 1; ; h.failAt++ {
				h.changes = 0
				out, code := h.run(c.call)
				if h.changes < h.failAt {
					t.Logf("%d changes, then %d: %s", h.changes, code, out)
					require.Greater(t, h.changes, c.least)
					return
				}
				require.Equal(t, 1, code, "change %d: %s", h.failAt, out)
				require.Contains(t, out, "Everything is as it was.", "change %d", h.failAt)
				require.Empty(t, cmp.Diff(before, h.tree()), "change %d: %s", h.failAt, out)
			}
		})
	}
}

func TestAKeyThatTheControllerMayKnowIsKept(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	fresh := h.tree()
	h.enroll = func([]string, string) int { h.write("/var/lib/spire-agent/host.key", "a key"); return 1 }
	out, code := h.run()
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "Run the same command again with the same token.")
	require.Equal(t, "a key", h.read("/var/lib/spire-agent/host.key"))
	var more []string
	for _, line := range h.tree() {
		if !contains(fresh, line) {
			more = append(more, line)
		}
	}
	require.Len(t, more, 2, "the directory and the key")

	h.enroll = h.enrolls
	out, code = h.run()
	require.Zero(t, code, out)
	require.Equal(t, "a key", h.read("/var/lib/spire-agent/host.key"), "the next run goes on with it")
}

func contains(all []string, one string) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}

func TestAnUpgradeThatDoesNotBecomeReadyIsUndone(t *testing.T) {
	t.Parallel()
	h := installed(t)
	before := h.tree()
	h.shop.Upgrade("exit 3", "v1.10.0")
	first := true
	h.onReady = func() error {
		if first { // it was well
			first = false
			return nil
		}
		return errors.New("a: broke")
	}
	out, code := h.run(noToken)
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "not ONLINE yet after 1ms: a: broke. Everything is as it was.")
	require.Contains(t, out, "grpcconnector doctor")
	require.Empty(t, cmp.Diff(before, h.tree()))
	require.Contains(t, h.calls, "systemctl try-restart grpcconnector.service")
}

func TestAnOlderControllerTakesNothingBack(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.shop.Upgrade("exit 3", "v1.10.0")
	out, code := h.run(noToken)
	require.Zero(t, code, out)
	require.Contains(t, h.read("/usr/bin/grpcconnector"), "v1.10.0")
	require.Contains(t, h.calls, "systemctl restart grpcconnector.service")
	before := h.tree()
	h.shop.Restock("exit 3")
	out, code = h.run(noToken)
	require.Zero(t, code, out)
	require.Contains(t, out, "grpcconnector v1.10.0 on this host is newer, and stays")
	require.Empty(t, cmp.Diff(before, h.tree()))
}

// TestAnotherAddressKeepsTheIdentity: neither is a reason to enroll anew.
func TestAnotherAddressKeepsTheIdentity(t *testing.T) {
	t.Parallel()
	h := installed(t)
	key := h.read("/var/lib/spire-agent/host.key")
	var moved string
	h.move = func(addr string) int {
		moved = addr
		conf := "/etc/grpcconnector/connector.conf"
		h.write(conf, strings.ReplaceAll(h.read(conf), h.addr, addr))
		return 0
	}
	h.addr2 = strings.Replace(h.addr, "127.0.0.1", "localhost", 1)
	call := func(c *hostinstall.Config) {
		c.Token, c.Variables.ControllerAddr, c.Variables.ConnectorPrivateIP = "", h.addr2, "10.1.2.3"
	}
	out, code := h.run(call, func(c *hostinstall.Config) { c.Options.DryRun = true })
	require.Zero(t, code, out)
	require.Contains(t, out, "move    to the controller's address "+h.addr2+"; the host keeps its identity")
	require.Contains(t, out, "set     CONNECTOR_PRIVATE_IP=10.1.2.3 in /etc/grpcconnector/connector.conf; the host keeps its identity")
	require.Empty(t, moved)

	out, code = h.run(call)
	require.Zero(t, code, out)
	require.Equal(t, h.addr2, moved)
	require.Contains(t, out, "it keeps its identity")
	require.Equal(t, key, h.read("/var/lib/spire-agent/host.key"))
	require.Contains(t, h.read("/etc/grpcconnector/connector.conf"), "CONTROLLER_ADDR="+h.addr2+"\n")
	require.Contains(t, h.read("/etc/grpcconnector/connector.conf"), "CONNECTOR_PRIVATE_IP=10.1.2.3\n")
	require.Contains(t, h.calls, "systemctl restart grpcconnector.service")
	require.NotContains(t, strings.Join(h.calls, "\n"), "enroll --")
}

func TestAnotherControllerAtTheNewAddressChangesNothing(t *testing.T) {
	t.Parallel()
	h := installed(t)
	before := h.tree()
	out, code := h.run(noToken, func(c *hostinstall.Config) {
		c.Variables.ControllerAddr = strings.Replace(h.addr, "127.0.0.1", "localhost", 1)
	})
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "the host was not moved to localhost")
	require.Empty(t, cmp.Diff(before, h.tree()))
}

func TestAConfForAnotherIDNeedsForceWhichKeepsABackup(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.write("/etc/grpcconnector/connector.conf", h.read("/etc/grpcconnector/connector.conf")+"# mine\n")
	before := h.tree()
	other := func(c *hostinstall.Config) { c.Variables.ConnectorID = "gw-2" }
	out, code := h.run(other)
	require.Equal(t, 2, code, out)
	require.Empty(t, cmp.Diff(before, h.tree()))
	out, code = h.run(other, func(c *hostinstall.Config) { c.Options.Force = true })
	require.Zero(t, code, out)
	require.Contains(t, strings.Join(h.calls, "\n"), "--new-host")
	require.NotContains(t, h.read("/etc/grpcconnector/connector.conf"), "# mine")
	backup := regexp.MustCompile(`/etc/grpcconnector/connector\.conf\.\d{8}T\d{6}Z\.bak`).FindString(strings.Join(h.tree(), "\n"))
	require.Contains(t, h.read(backup), "# mine")
}

// TestTheServiceCanReadItsConf whatever umask made it earlier.
func TestTheServiceCanReadItsConf(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	h.write("/etc/grpcconnector/connector.conf", "LOG_LEVEL=debug\n")
	require.NoError(t, os.Chmod(h.at("/etc/grpcconnector/connector.conf"), 0o600))
	require.NoError(t, os.Chmod(h.at("/etc/grpcconnector"), 0o700))
	h.enroll = func([]string, string) int { return 3 }
	before := h.tree()
	out, code := h.run()
	require.Equal(t, 1, code, out)
	require.Empty(t, cmp.Diff(before, h.tree()))
	h.enroll = h.enrolls
	out, code = h.run()
	require.Zero(t, code, out)
	for path, mode := range map[string]fs.FileMode{"/etc/grpcconnector": 0o755, "/etc/grpcconnector/connector.conf": 0o644} {
		info, err := os.Stat(h.at(path))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
}

func TestADryRunNeedsNoTokenAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	before := h.tree()
	dry := func(c *hostinstall.Config) { c.Token, c.Options.DryRun = "", true }
	out, code := h.run(dry)
	require.Zero(t, code, out)
	for _, want := range []string{"create  /usr/bin/grpcconnector", "enroll  connector/gw", "Nothing was changed."} {
		require.Contains(t, out, want)
	}
	require.Empty(t, cmp.Diff(before, h.tree()))
	h.readOnly["/usr"] = fs.ErrPermission
	out, code = h.run(dry)
	require.Equal(t, 2, code, out)
	require.Contains(t, out, "cannot write in /usr/bin")
}

func TestUninstallLeavesNothingAndSaysSoBeforehand(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	fresh := h.tree()
	h.enroll = h.enrolls
	out, code := h.run()
	require.Zero(t, code, out)
	before := h.tree()
	uninstall := func(c *hostinstall.Config) { c.Options.Uninstall = true }
	out, code = h.run(uninstall, func(c *hostinstall.Config) { c.Options.DryRun = true })
	require.Zero(t, code, out)
	require.Contains(t, out, "rm -rf /var/lib/spire-agent")
	require.Empty(t, cmp.Diff(before, h.tree()))
	out, code = h.run(uninstall)
	require.Zero(t, code, out)
	require.Contains(t, out, "grpccontroller connectors revoke gw")
	var more []string
	for _, line := range h.tree() {
		if !contains(fresh, line) && !regexp.MustCompile(`^/etc/(passwd-|group-|\.pwd\.lock|shadow-)|^/var/lib/misc `).MatchString(line) {
			more = append(more, line)
		}
	}
	require.Empty(t, more)
}

func TestUninstallLeavesTheAgentToTheOtherRole(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.write("/usr/bin/grpctunneler", "the other role")
	out, code := h.run(func(c *hostinstall.Config) { c.Options.Uninstall = true })
	require.Zero(t, code, out)
	require.Contains(t, out, "The SPIRE agent stays: grpctunneler uses it.")
	require.NotEmpty(t, h.read("/var/lib/spire-agent/host.key"))
	require.Empty(t, h.read("/usr/bin/grpcconnector"))
}

func TestTheVersionsAreShown(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	version := func(c *hostinstall.Config) { c.Options.Version = true }
	out, code := h.run(version)
	require.Zero(t, code, out)
	require.Equal(t, "installed   nothing\ncontroller  v1.5.0\n", out)
	out, code = h.run(version, func(c *hostinstall.Config) { c.Variables.ControllerAddr = "" })
	require.Zero(t, code, out)
	require.Contains(t, out, "controller  not asked")
}
