package hosts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

// TestAHostThatIsSetUpWithATokenEnrollsAtItsFirstBoot is the way of images and
// cloud-init: everything is on the disk before systemd runs.
func TestAHostThatIsSetUpWithATokenEnrollsAtItsFirstBoot(t *testing.T) {
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

// TestRPMs installs the RPMs with rpm on a booted Debian: scriptlets, units and
// files are real, the distribution is not theirs.
func TestRPMs(t *testing.T) {
	b := hosts.New(t).Boot("rpm")
	before := files(b)
	names := []string{"grpc-spire-agent", "grpcconnector", "grpctunneler", "grpccontroller"}
	args := []string{"rpm", "--install", "--nodeps"}
	for _, name := range names {
		b.Copy(packageFile(t, name, "rpm"), "/root/"+name+".rpm")
		args = append(args, "/root/"+name+".rpm")
	}
	b.Run(args...)
	for _, name := range names {
		b.Run("rpm", "--verify", "--nodeps", name)
	}
	b.Run("systemd-analyze", "verify", "--man=no", "spire-agent.service", "grpcconnector.service", "grpcconnector-enroll.service", "grpctunneler.service",
		"grpctunneler-enroll.service", "grpccontroller.service")
	require.Contains(t, b.Run("cat", "/etc/passwd"), "spire-agent")
	require.Contains(t, b.Run("stat", "-c", "%U %a", "/var/lib/spire-agent"), "spire-agent 700")
	b.Run("systemctl", "enable", "--now", "grpccontroller.service")
	b.Run("rpm", "--upgrade", "--force", "--nodeps", "/root/grpccontroller.rpm")
	require.Equal(t, "active", property(b, "grpccontroller.service", "ActiveState"))
	b.Run("rpm", "--erase", "--nodeps", "grpccontroller", "grpctunneler", "grpcconnector", "grpc-spire-agent")
	require.NotEqual(t, "active", property(b, "grpccontroller.service", "ActiveState"))
	for _, left := range lines(files(b)).minus(lines(before)) {
		kept := strings.HasPrefix(left, "/var/lib/") || strings.HasPrefix(left, "/etc/passwd") || strings.HasPrefix(left, "/etc/group") ||
			strings.HasPrefix(left, "/etc/shadow") || strings.HasPrefix(left, "/etc/gshadow") || strings.HasPrefix(left, "/etc/.pwd.lock")
		require.True(t, kept, "left behind: %s", left)
	}
}

func TestTwoBuildsOfThePackagesAreTheSameBytes(t *testing.T) {
	again := t.TempDir()
	must(t, "../../../scripts/packages.sh", again)
	built, err := filepath.Glob(filepath.Join(again, "*"))
	require.NoError(t, err)
	require.Len(t, built, 8)
	for _, path := range built {
		first, err := os.ReadFile(filepath.Join(dist, filepath.Base(path)))
		require.NoError(t, err)
		second, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(first, second), "%s differs", filepath.Base(path))
	}
}
