package hosts_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

const (
	gatewayID = "gateway-01"
	laptopID  = "laptop-01"
	secondID  = "gateway-01-out"
)

// TestHosts is the story of hosts that have the packages: each part begins where the
// one before ended, for hosts are expensive and their past matters. What reboots, power
// losses and partitions do, TestSetup tells: the units are the same.
func TestHosts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gw, lap := s.network.Boot("gateway"), s.network.Boot(laptopID)
	fresh := files(lap)

	tell := func(name string, f func(t *testing.T)) {
		if !t.Run(name, func(t *testing.T) { s.t = t; defer func() { s.t = nil }(); f(t) }) {
			t.FailNow()
		}
	}
	tell("a connector and a tunneler from the packages become ONLINE", func(t *testing.T) {
		install(t, gw, "grpc-spire-agent", "grpcconnector")
		begin := time.Now()
		s.paste(gw, connector, gatewayID, "", s.issue(connector, gatewayID).command(t, "program"))
		install(t, lap, "grpc-spire-agent", "grpctunneler")
		s.asks(lap, tunneler, laptopID)
		s.onlineSince(begin, member{gw, connector, gatewayID}, member{lap, tunneler, laptopID})
		status := func() string { return property(gw, connector.unit, "StatusText") }
		s.eventually(func() bool { return status() == "ready" }, status)
	})
	tell("a second role reuses the host's identity", func(t *testing.T) {
		before, begin := hostID(t, gw), time.Now()
		install(t, gw, "grpctunneler")
		sealed := s.issue(tunneler, secondID, "--seal-to", sshKey(t, gw))
		require.Empty(t, sealed.Token)
		require.Contains(t, s.paste(gw, tunneler, secondID, "", sealed.command(t, "sealed")), "its key is kept")
		s.onlineSince(begin, member{gw, tunneler, secondID})
		require.Equal(t, before, hostID(t, gw))
		require.Equal(t, "1\n", gw.Run("pgrep", "-c", "-x", "spire-agent"))
	})
	tell("nothing on healthy hosts calls for attention", func(*testing.T) { healthy(s, gw, lap) })
	tell("whoever is not the unit gets no SVID", func(t *testing.T) { strangers(t, s, gw) })
	tell("status and doctor tell what is wrong with a unit", func(t *testing.T) { doctored(t, s, gw) })
	tell("the units are locked down", func(t *testing.T) {
		exposure(t, s.controller, "grpccontroller.service", 20)
		exposure(t, gw, "grpcconnector.service", 15)
		exposure(t, gw, "grpctunneler.service", 15)
		exposure(t, gw, "spire-agent.service", 20)
		require.Equal(t, "700 directory\n600 socket\n", s.controller.Run("stat", "-c", "%a %F", "/run/grpccontroller", "/run/grpccontroller/admin.sock"))
		out, err := s.controller.Try(asNobody("grpccontroller", "connectors", "list")...)
		require.Error(t, err)
		require.Contains(t, out, "only root and the controller's own user may use /run/grpccontroller/admin.sock")
	})
	tell("while two connectors come and go, every view of the tunnelers says the same", func(t *testing.T) { agree(t, s, gw, lap) })
	all := func() {
		s.onlineSince(time.Now(), member{gw, connector, gatewayID}, member{gw, tunneler, secondID}, member{lap, tunneler, laptopID})
	}
	tell("a main loop that hangs is restarted", func(t *testing.T) { watchdogs(t, s, gw) })
	tell("an upgrade keeps the identity", func(t *testing.T) {
		before := hostID(t, gw)
		gw.Run("sh", "-c", "echo '# mine' >> /etc/grpcconnector/connector.conf")
		for _, name := range []string{"grpc-spire-agent", "grpcconnector", "grpctunneler"} {
			upgrade(t, gw, name)
		}
		upgrade(t, s.controller, "grpccontroller")
		all()
		require.Equal(t, before, hostID(t, gw))
		require.Contains(t, gw.Run("cat", "/etc/grpcconnector/connector.conf"), "# mine")
		require.NotContains(t, gw.Run("cat", "/etc/grpcconnector/connector.conf"), "# new default")
		require.Contains(t, gw.Run("cat", "/etc/grpcconnector/connector.conf.dpkg-dist"), "# new default")
		require.Contains(t, gw.Run("cat", "/etc/grpc-spire-agent/agent.conf"), "# new default", "nobody had changed it")
		for _, unit := range []string{"spire-agent.service", connector.unit, tunneler.unit} {
			exe := gw.Run("readlink", "/proc/"+property(gw, unit, "MainPID")+"/exe")
			require.NotContains(t, exe, "(deleted)", "%s still runs the old program", unit)
		}
	})
	tell("removing keeps the identity and purging leaves nothing", func(t *testing.T) {
		lap.Run("dpkg", "-r", "grpctunneler")
		require.False(t, lap.Exists("/usr/bin/grpctunneler"))
		require.True(t, lap.Exists("/etc/grpctunneler/tunneler.conf"))
		_, stopped := lap.Try("systemctl", "is-active", tunneler.unit)
		require.Error(t, stopped)
		install(t, lap, "grpctunneler")
		lap.Run("systemctl", "enable", "--now", tunneler.unit)
		s.online(lap, tunneler, laptopID)
		another := s.issue(tunneler, "laptop-02")
		out, err := lap.Feed(another.Token+"\n", "sh", "-c", "umask 077 && cat >/run/enrollment-token")
		require.NoError(t, err, out)
		s.paste(lap, tunneler, "laptop-02", "", another.command(t, "file"))
		lap.Run("rm", "/run/enrollment-token")
		lap.Run("dpkg", "--purge", "grpctunneler", "grpc-spire-agent")
		require.Empty(t, lines(files(lap)).minus(lines(fresh)))
		require.NotContains(t, lap.Run("cat", "/etc/passwd"), "spire-agent")
	})
}

// sshKey gives a host an SSH key of its own, as sshd does, and returns the public half.
func sshKey(t *testing.T, b *hosts.Box) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	b.Write("/etc/ssh/ssh_host_ed25519_key", string(pem.EncodeToMemory(block)))
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// strangers are a process outside any unit, one of another unit, and one of
// another unit that runs the connector's own program.
func strangers(t *testing.T, s *site, b *hosts.Box) {
	t.Helper()
	fetch := []string{"/usr/lib/grpc-spire-agent/spire-agent", "api", "fetch", "x509", "-socketPath", "/run/spire-agent/public/api.sock", "-timeout", "5s"}
	out, err := b.Try(fetch...)
	require.Error(t, err, "outside any unit: %s", out)
	require.Contains(t, out, "no identity issued")
	out, err = b.Try(append([]string{"systemd-run", "--quiet", "--wait", "--pipe", "--unit=stranger"}, fetch...)...)
	require.Error(t, err, "another unit: %s", out)
	require.Contains(t, out, "no identity issued")

	b.Run("systemd-run", "--quiet", "--unit=thief", "-p", "EnvironmentFile=/etc/grpcconnector/connector.conf", "-E", "STATE_DIR=",
		"/usr/bin/grpcconnector", "run", "--listen-addr", "127.0.0.1:9999", "--health-addr", "127.0.0.1:9998")
	defer b.Run("systemctl", "stop", "thief.service")
	pid := property(b, "thief.service", "MainPID")
	s.eventually(func() bool {
		out = b.Run("journalctl", "--no-pager", "-o", "cat", "-u", "spire-agent.service")
		return regexp.MustCompile(`No identity issued.*\b`+pid+`\b`).MatchString(out) || regexp.MustCompile(`\b`+pid+`\b.*No identity issued`).MatchString(out)
	}, func() string { return "spire-agent did not refuse the thief " + pid + ":\n" + out })
	out, _ = b.Try("curl", "-sS", "http://127.0.0.1:9998/readyz")
	require.Contains(t, out, "[-] identity")
}

// exposure is of systemd-analyze security, in tenths.
func exposure(t *testing.T, b *hosts.Box, unit string, most int) {
	t.Helper()
	out, err := b.Try("systemd-analyze", "security", "--no-pager", fmt.Sprintf("--threshold=%d", most), unit)
	_, overall, _ := strings.Cut(out, "Overall exposure level")
	t.Logf("%s%s", unit, strings.TrimSpace(overall))
	require.NoError(t, err, out)
}

// watchdogs stops the main process of every unit, so that none of its loops goes
// on and no port is closed.
func watchdogs(t *testing.T, s *site, gw *hosts.Box) {
	t.Helper()
	type unit struct {
		on   *hosts.Box
		name string
	}
	units := []unit{{gw, connector.unit}, {gw, tunneler.unit}, {gw, "spire-agent.service"}, {s.controller, "grpccontroller.service"}}
	before := map[unit]string{}
	for _, u := range units {
		before[u] = property(u.on, u.name, "NRestarts")
		u.on.Run("kill", "-STOP", property(u.on, u.name, "MainPID"))
	}
	for _, u := range units {
		s.eventually(func() bool { return property(u.on, u.name, "NRestarts") != before[u] }, func() string { return u.name + " was not restarted" })
		require.Contains(t, u.on.Run("journalctl", "--no-pager", "-o", "cat", "-u", u.name), "Watchdog timeout")
	}
	s.onlineSince(time.Now(), member{gw, connector, gatewayID}, member{gw, tunneler, secondID})
}

// upgrade installs the same package as a later version: another file at the path
// of each program, other conf files. The operator's are kept.
func upgrade(t *testing.T, b *hosts.Box, name string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	must(t, "dpkg-deb", "-R", packageFile(t, name, "deb"), dir)
	control := filepath.Join(dir, "DEBIAN", "control")
	text, err := os.ReadFile(control)
	require.NoError(t, err)
	text = regexp.MustCompile(`(?m)^Version: .*$`).ReplaceAll(text, []byte("Version: 999.0"))
	require.NoError(t, os.WriteFile(control, text, 0o644))
	must(t, "find", filepath.Join(dir, "etc"), "-type", "f", "-exec", "sed", "-i", "$ a # new default", "{}", "+")
	deb := dir + ".deb"
	must(t, "dpkg-deb", "-Znone", "--root-owner-group", "-b", dir, deb)
	b.Copy(deb, "/root/"+name+"-999.deb")
	b.Run("dpkg", "--force-confold", "-i", "/root/"+name+"-999.deb")
}

func must(t *testing.T, command ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	require.NoError(t, err, "%s: %s", strings.Join(command, " "), out)
}

// files are those that a package could leave behind: not what dpkg, the journal
// and the operator (/root) keep.
func files(b *hosts.Box) string {
	return b.Run("sh", "-c", "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /root -o -path /tmp -o -path /var/tmp -o "+
		"-path /var/log -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/lib/systemd \\) -prune -o -print; find /run/systemd/system /etc/systemd /run/spire-agent 2>/dev/null; true")
}

type lineSet []string

func lines(s string) lineSet { return strings.Split(strings.TrimSpace(s), "\n") }

func (a lineSet) minus(b lineSet) []string {
	known := map[string]bool{}
	for _, l := range b {
		known[l] = true
	}
	var out []string
	for _, l := range a {
		if !known[l] {
			out = append(out, l)
		}
	}
	return out
}
