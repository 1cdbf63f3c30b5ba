package hosts_test

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pasted returns the blocks of commands in a section of a document, as an operator
// pastes them.
func pasted(t *testing.T, document, section string) (blocks []string) {
	t.Helper()
	raw, err := os.ReadFile("../../../" + document)
	require.NoError(t, err)
	_, text, found := strings.Cut(string(raw), "\n## "+section+"\n")
	require.True(t, found, "%s has no section %q", document, section)
	text, _, _ = strings.Cut(text, "\n## ")
	for i, part := range strings.Split(strings.ReplaceAll(text, "\n```sh\n", "\n```\n"), "\n```\n") {
		if i%2 == 1 {
			blocks = append(blocks, part)
		}
	}
	return blocks
}

// TestAControllerIsRestoredByTheDocument: the commands of docs/backup.md, on installed
// hosts, where nobody sets STATE_DIR for them.
func TestAControllerIsRestoredByTheDocument(t *testing.T) {
	s := newSite(t, "install_dir: /nonexistent") // other commands are printed then
	gw, lap := s.network.Boot("gateway"), s.network.Boot("laptop")
	lap.Write("/etc/sudoers.d/quiet", "Defaults !syslog\n")
	install(t, gw, "grpc-spire-agent", "grpcconnector")
	link := s.issue(connector, gatewayID, "--claim")
	_, code, _ := strings.Cut(link.ClaimURL, "#")
	opened := s.controller.Run("curl", "-fsS", "-H", "Content-Type: application/json", "-d", "{}", "http://127.0.0.1:8080/api/admin/claims/"+code)
	var claimed issued
	require.NoError(t, json.Unmarshal([]byte(opened), &claimed), opened)
	s.paste(gw, connector, gatewayID, claimed.Token+"\n", link.command(t, "claim"))
	install(t, lap, "grpc-spire-agent", "grpctunneler")
	s.paste(lap, tunneler, laptopID, "", s.issue(tunneler, laptopID).command(t, "environment"))
	s.online(gw, connector, gatewayID)
	s.online(lap, tunneler, laptopID)
	s.controller.Run("bash", "-ec", strings.Join(pasted(t, "docs/backup.md", "The recovery key"), "\n"))
	s.eventually(func() bool {
		out, _ := gw.Try("grpcconnector", "witness", "show")
		return strings.Contains(out, "timeline   1")
	}, func() string { return "the connector has not pinned the recovery key" })
	commands := pasted(t, "docs/backup.md", "Restoring a controller")
	require.Len(t, commands, 3)
	backup, restore, reset := commands[0], commands[1], commands[2]

	require.Contains(t, gw.Run("grpcconnector", "check-config"), "the policy is kept in /var/lib/grpcconnector")
	s.controller.Run("bash", "-ec", backup)
	s.online(gw, connector, gatewayID)
	before := witnessedRecords(t, s, gw.Try)
	s.token(tunneler, "lost") // an event that the backup does not have
	s.eventually(func() bool { return witnessedRecords(t, s, gw.Try) > before }, func() string { return "the connector has not witnessed the token" })

	bans := func() int {
		out, _ := s.controller.Try("sh", "-c", "journalctl -u grpccontroller.service -o cat --no-pager | grep -c banned")
		n, _ := strconv.Atoi(strings.TrimSpace(out))
		return n
	}
	s.controller.Run("grpccontroller", "tunnelers", "revoke", laptopID, "--yes")
	s.eventually(func() bool { return bans() > 0 }, func() string { return "the laptop's agent is not banned" })
	bannedBefore := bans()

	restored := s.controller.Run("bash", "-ec", restore)
	require.Contains(t, restored, "revoked after the backup, and again now: tunneler/"+laptopID)
	require.Contains(t, restored, "timeline 2 begins")
	s.online(gw, connector, gatewayID) // no host was touched
	shown := gw.Run("grpcconnector", "witness", "show")
	require.Contains(t, shown, "newest     accepted")
	require.Contains(t, shown, "timeline   2")
	readyz := func() string {
		out, _ := gw.Try("curl", "-sS", "--max-time", "5", "http://"+connector.health+"/readyz")
		return out
	}
	require.Contains(t, gw.Run("bash", "-ec", reset), "what was witnessed is kept in /var/lib/grpcconnector/audit-witness.json.")
	s.online(gw, connector, gatewayID)
	t.Log("the laptop stays out: the restored SPIRE server did not know of its ban")
	s.eventually(func() bool { return bans() > bannedBefore }, func() string { return "the laptop's agent is not banned again" })
	require.NotContains(t, s.controller.Run("grpccontroller", "tunnelers", "list", "--status", "ONLINE"), laptopID)
	_, err := lap.Try("curl", "-fsS", "--max-time", "5", "http://"+tunneler.health+"/readyz")
	require.Error(t, err)

	t.Log("a state directory that cannot be made degrades, and stops nothing")
	gw.Run("sh", "-c", "echo STATE_DIR=/etc/hostname/state >> /etc/grpcconnector/connector.conf")
	gw.Run("systemctl", "restart", connector.unit)
	s.eventually(func() bool {
		last := readyz()
		return strings.Contains(last, "[~] state_dir: degraded") && strings.Contains(last, "[+] policy") && strings.Contains(last, "[+] control_stream")
	}, readyz)
	s.finds(gw, []string{"grpcconnector"}, "state_dir")
}

// witnessedRecords is what a connector has witnessed. Its file may be a minute older.
func witnessedRecords(t *testing.T, s *site, try func(...string) (string, error)) (size int64) {
	t.Helper()
	const metric = "\nzerotrust_audit_witnessed_records "
	s.eventually(func() bool {
		out, err := try("curl", "-sS", "--max-time", "5", "http://"+connector.health+"/metrics")
		_, value, found := strings.Cut(out, metric)
		if err != nil || !found {
			return false
		}
		value, _, _ = strings.Cut(value, "\n")
		n, err := strconv.ParseFloat(value, 64)
		size = int64(n)
		return err == nil && size > 0
	}, func() string { return "the connector has no witness" })
	return size
}
