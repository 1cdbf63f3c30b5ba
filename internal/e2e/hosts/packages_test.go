package hosts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

// TestAHostThatIsSetUpWithATokenEnrollsAtItsFirstBoot is the way of images and
// cloud-init: everything is on the disk before systemd runs.
func TestAHostThatIsSetUpWithATokenEnrollsAtItsFirstBoot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.network.Boot("image")
	install(t, b, "grpc-spire-agent", "grpcconnector")
	b.Write("/etc/grpcconnector/ca.crt", s.ca)
	b.Write("/etc/grpcconnector/connector.conf", "CONTROLLER_ADDR="+s.controller.IP+":8443\nCONNECTOR_ID=image-01\n")
	b.Run("systemctl", "enable", "grpcconnector-enroll", "spire-agent", "grpcconnector")
	b.Stop()
	token := s.token(connector, "image-01")
	b.Write("/etc/grpcconnector/enrollment-token", token+"\n")
	b.Start()
	s.online(b, connector, "image-01")
	require.False(t, b.Exists("/etc/grpcconnector/enrollment-token"), "the token stays on the disk after it was spent")
	require.NotContains(t, b.Run("journalctl", "--no-pager", "-o", "export"), token)
	require.NotContains(t, b.Run("sh", "-c", "cat /etc/grpcconnector/* /etc/systemd/system/*/*"), token)
	b.Reboot()
	s.online(b, connector, "image-01")
}

// TestRPMs installs the RPMs with rpm on a Debian: scriptlets, units and files are
// real, the distribution is not theirs. The first time is `rpm --root` on the disk of
// a host that is off, which is how images are made.
func TestRPMs(t *testing.T) {
	t.Parallel()
	b := hosts.New(t).Boot("rpm")
	before := files(b)
	b.Stop()
	names := []string{"grpc-spire-agent", "grpcconnector", "grpctunneler", "grpccontroller"}
	install := []string{"rpm", "--root", b.Root(), "--install", "--nodeps"}
	for _, name := range names {
		b.Copy(packageFile(t, name, "rpm"), "/root/"+name+".rpm")
		install = append(install, packageFile(t, name, "rpm"))
	}
	must(t, install...)
	b.Start()
	for _, name := range names {
		b.Run("rpm", "--verify", "--nodeps", name)
	}
	b.Run("systemd-analyze", "verify", "--man=no", "spire-agent.service", "grpcconnector.service", "grpcconnector-enroll.service", "grpctunneler.service",
		"grpctunneler-enroll.service", "grpccontroller.service")
	require.Contains(t, b.Run("cat", "/etc/passwd"), "spire-agent")
	require.Contains(t, b.Run("stat", "-c", "%U %a", "/var/lib/spire-agent"), "spire-agent 700")
	b.Run("systemctl", "enable", "--now", "grpccontroller.service")
	pid := property(b, "grpccontroller.service", "MainPID")
	b.Write("/etc/grpccontroller/controller.conf", "# mine\n")
	b.Run("rpm", "--upgrade", "--force", "--nodeps", "/root/grpccontroller.rpm")
	require.Equal(t, "active", property(b, "grpccontroller.service", "ActiveState"))
	require.NotEqual(t, pid, property(b, "grpccontroller.service", "MainPID"), "the old program still runs")
	require.Equal(t, "# mine\n", b.Run("cat", "/etc/grpccontroller/controller.conf"))
	b.Run("rpm", "--erase", "--nodeps", "grpccontroller", "grpctunneler", "grpcconnector", "grpc-spire-agent")
	require.NotEqual(t, "active", property(b, "grpccontroller.service", "ActiveState"))
	// An rpm has no purge: what the operator wrote, the data and the user stay.
	kept := regexp.MustCompile(`^/var/lib/|^/etc/(passwd|group|shadow|gshadow|\.pwd\.lock|subuid|subgid)|^/etc/grpccontroller(/controller\.conf\.rpmsave)?$`)
	for _, left := range lines(files(b)).minus(lines(before)) {
		require.Regexp(t, kept, left, "left behind")
	}
}

// TestPurgingLeavesWhatTheOperatorMade: users and directories of our names that were
// there before.
func TestPurgingLeavesWhatTheOperatorMade(t *testing.T) {
	t.Parallel()
	b := hosts.New(t).Boot("own")
	for _, user := range []string{"spire-agent", "grpcconnector", "grpccontroller"} {
		b.Run("useradd", "--system", "--home-dir", "/srv/"+user, user)
	}
	b.Run("sh", "-ec", "mkdir /etc/grpcconnector && echo mine >/etc/grpcconnector/mine")
	before := files(b)
	accounts := b.Run("cat", "/etc/passwd", "/etc/group")
	install(t, b, "grpc-spire-agent", "grpcconnector", "grpccontroller")
	b.Run("dpkg", "--purge", "grpccontroller", "grpcconnector", "grpc-spire-agent")
	require.Equal(t, accounts, b.Run("cat", "/etc/passwd", "/etc/group"))
	require.Equal(t, "mine\n", b.Run("cat", "/etc/grpcconnector/mine"))
	require.Empty(t, lines(files(b)).minus(lines(before)))
	require.Empty(t, lines(before).minus(lines(files(b))))

	b.Run("sh", "-ec", "mkdir /var/lib/spire-agent && echo theirs >/var/lib/spire-agent/svid.key")
	b.Copy(packageFile(t, "grpc-spire-agent", "deb"), "/root/agent.deb")
	out, err := b.Try("dpkg", "-i", "/root/agent.deb")
	require.Error(t, err)
	require.Contains(t, out, "which is another SPIRE agent's")
	require.Equal(t, "root 755", strings.TrimSpace(b.Run("stat", "-c", "%U %a", "/var/lib/spire-agent")))
}

// TestTwoBuildsOfThePackagesAreTheSameBytes builds again from a copy of the tree, as
// another user elsewhere in the world would.
func TestTwoBuildsOfThePackagesAreTheSameBytes(t *testing.T) {
	t.Parallel()
	top, err := filepath.Abs("../../..")
	require.NoError(t, err)
	tree, again, scratch := filepath.Join(t.TempDir(), "elsewhere"), t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(tree, 0o755))
	must(t, "sh", "-c", `cd "$0" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf - | tar -C "$1" -xf -`, top, tree)
	require.NoError(t, os.Symlink(filepath.Join(top, "bin"), filepath.Join(tree, "bin")))
	must(t, "sh", "-c", `export VERSION=$(git -C "$0" describe --tags --always --dirty) COMMIT=$(git -C "$0" rev-parse HEAD) SOURCE_DATE_EPOCH=$(git -C "$0" log -1 --format=%ct)
		export TZ=Asia/Kathmandu LC_ALL=C.UTF-8 TMPDIR="$3"; umask 077; cd "$1" && scripts/packages.sh "$2"`, top, tree, again, scratch)
	built, err := filepath.Glob(filepath.Join(again, "*"))
	require.NoError(t, err)
	require.Len(t, built, 8)
	for _, path := range built {
		first, err := os.ReadFile(filepath.Join(dist, filepath.Base(path)))
		require.NoError(t, err, "dist is of another commit: run make packages")
		second, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(first, second), "%s differs", filepath.Base(path))
	}
}
