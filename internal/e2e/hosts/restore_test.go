package hosts_test

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
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

// deskID is a tunneler that is enrolled after the backup.
const deskID = "desk-01"

// TestAControllerIsRestoredByTheDocument: the commands of docs/backup.md, on installed
// hosts, where nobody sets STATE_DIR for them. One is enrolled and one revoked after the
// backup, and then the controller's machine is lost.
func TestAControllerIsRestoredByTheDocument(t *testing.T) {
	t.Parallel()
	s := newSite(t, "install_dir: /nonexistent") // other commands are printed then
	gw, lap, desk := s.network.Boot("gateway"), s.network.Boot("laptop"), s.network.Boot("desk")
	lap.Write("/etc/sudoers.d/quiet", "Defaults !syslog\n")
	install(t, gw, "grpc-spire-agent", "grpcconnector", "grpctunneler")
	link := s.issue(connector, gatewayID, "--claim")
	_, code, _ := strings.Cut(link.ClaimURL, "#")
	opened := s.controller.Run("curl", "-fsS", "-H", "Content-Type: application/json", "-d", "{}", "http://127.0.0.1:8080/api/admin/claims/"+code)
	var claimed issued
	require.NoError(t, json.Unmarshal([]byte(opened), &claimed), opened)
	s.paste(gw, connector, gatewayID, claimed.Token+"\n", link.command(t, "claim"))
	s.paste(gw, tunneler, secondID, "", s.issue(tunneler, secondID).command(t, "environment"))
	install(t, lap, "grpc-spire-agent", "grpctunneler")
	s.paste(lap, tunneler, laptopID, "", s.issue(tunneler, laptopID).command(t, "environment"))
	require.Contains(t, gw.Run("grpcconnector", "check-config"), "the policy is kept in /var/lib/grpcconnector")
	s.controller.Run("bash", "-ec", strings.Join(pasted(t, "docs/backup.md", "The recovery key"), "\n"))
	s.eventually(func() bool {
		out, _ := gw.Try("grpcconnector", "witness", "show")
		return strings.Contains(out, "timeline   1")
	}, func() string { return "the connector has not pinned the recovery key" })
	commands := pasted(t, "docs/backup.md", "Restoring a controller")
	require.Len(t, commands, 3)
	backup, restore, reset := commands[0], commands[1], commands[2]

	s.controller.Run("bash", "-ec", backup)
	s.online(gw, connector, gatewayID)
	witnessed := witnessedRecords(t, s, gw.Try)
	install(t, desk, "grpc-spire-agent", "grpctunneler")
	s.paste(desk, tunneler, deskID, "", s.issue(tunneler, deskID).command(t, "environment"))
	s.eventually(func() bool { return witnessedRecords(t, s, gw.Try) > witnessed }, func() string { return "the connector has not witnessed the enrollment" })
	s.controller.Run("grpccontroller", "tunnelers", "revoke", laptopID, "--yes")
	s.eventually(func() bool { return bans(s) > 0 }, func() string { return "the laptop's agent is not banned" })

	since := s.clock(gw)

	s.lost()
	t.Log("a thief of the backup has no recovery key: the connector refuses all that is said without it")
	revision := func() string { return line(gw, connector, "/metrics", "zerotrust_policy_revision ") }
	before := revision()
	s.controller.Run("bash", "-ec", without(t, restore, "grpccontroller recovery start "))
	s.eventually(func() bool { return line(gw, connector, "/readyz", "[-] audit_witness") != "" }, func() string { return "the connector does not refuse the thief" })
	s.token(tunneler, "mallory")
	require.Equal(t, before, revision())

	s.lost()
	t.Log("the restore: from here on no command runs on another host")
	bannedBefore, ran := bans(s), gw.Commands()+lap.Commands()+desk.Commands()
	from := time.Now()
	restored := s.controller.Run("bash", "-ec", restore)
	require.NotContains(t, restored, "revoked after the backup, and again now")
	require.Contains(t, restored, "first collects the revocations that connectors hold")
	require.Contains(t, restored, "timeline 2 begins")
	samples, started := 0, time.Now().UTC()
	s.eventually(func() bool {
		samples++
		return s.back(t, started)
	}, func() string { return "the fleet is not back" })
	require.Equal(t, ran, gw.Commands()+lap.Commands()+desk.Commands(), "a host was touched")
	ready := func() bool { return line(gw, connector, "/readyz", "ready") != "" }
	s.eventually(ready, func() string { return "the connector is not ready" })
	t.Logf("back in %s; the laptop was out in %d samples", time.Since(from), samples)
	require.Less(t, time.Since(from), 2*time.Minute)
	require.Contains(t, gw.Run("grpcconnector", "witness", "show"), "timeline   2")
	require.Contains(t, s.controller.Run("grpccontroller", "audit", "list", "--action", "member.revoke"), "connector/"+gatewayID)

	t.Log("a revocation after the restore acts at once")
	asked := s.clock(s.controller)
	s.controller.Run("grpccontroller", "tunnelers", "revoke", secondID, "--yes")
	answered := s.clock(s.controller)
	var ended []float64
	s.eventually(func() bool { ended = sessions(t, gw, "ended", secondID, asked); return len(ended) > 0 }, func() string { return "the session of " + secondID + " goes on" })
	t.Logf("the session ended %.3f s after the answer, %.3f s after the command began", ended[0]-answered, ended[0]-asked)
	require.Less(t, ended[0]-answered, 1.0)

	t.Log("whoever was enrolled after the backup is enrolled again")
	require.NotContains(t, s.controller.Run("grpccontroller", "tunnelers", "list"), deskID)
	again := strings.Replace(s.issue(tunneler, deskID).command(t, "environment"), "grpctunneler enroll", "grpctunneler enroll --new-host", 1)
	s.paste(desk, tunneler, deskID, "", again)

	t.Log("the laptop stays out: the restored SPIRE server did not know of its ban")
	s.eventually(func() bool { return bans(s) > bannedBefore }, func() string { return "the laptop's agent is not banned again" })
	require.NotContains(t, s.controller.Run("grpccontroller", "tunnelers", "list", "--status", "ONLINE"), laptopID)
	_, err := lap.Try("curl", "-fsS", "--max-time", "5", "http://"+tunneler.health+"/readyz")
	require.Error(t, err)
	require.Empty(t, sessions(t, gw, "opened", laptopID, since))
	require.NotEmpty(t, sessions(t, gw, "opened", deskID, asked))

	t.Log("what is left without the recovery key")
	require.Contains(t, gw.Run("bash", "-ec", reset), "what was witnessed is kept in /var/lib/grpcconnector/audit-witness.json.")
	s.eventually(ready, func() string { return "the connector is not ready after the reset" })

	t.Log("a state directory that cannot be made degrades, and stops nothing")
	gw.Run("sh", "-c", "echo STATE_DIR=/etc/hostname/state >> /etc/grpcconnector/connector.conf")
	gw.Run("systemctl", "restart", connector.unit)
	s.eventually(func() bool {
		return line(gw, connector, "/readyz", "[~] state_dir: degraded") != "" && line(gw, connector, "/readyz", "[+] policy") != "" && line(gw, connector, "/readyz", "[+] control_stream") != ""
	}, func() string { return "the connector is not degraded" })
	s.finds(gw, []string{"grpcconnector"}, "state_dir")
}

// lost is the end of the controller's data: a new machine has its address, its
// configuration, the package and what root saved.
func (s *site) lost() {
	s.t.Helper()
	s.controller.Run("systemctl", "stop", "grpccontroller.service")
	s.controller.Run("rm", "-r", "/var/lib/grpccontroller", "/var/lib/private/grpccontroller")
}

// back looks at the restored controller once: whether those of the backup are ONLINE. The
// laptop, which was revoked after it, never is.
func (s *site) back(t *testing.T, from time.Time) bool {
	t.Helper()
	online := func(r role) string {
		out, _ := s.controller.Try("grpccontroller", r.kind+"s", "list", "--status", "ONLINE", "-o", "json")
		return out
	}
	tunnelers := online(tunneler)
	require.NotContains(t, tunnelers, laptopID)
	return seenSince(tunnelers, tunneler, secondID, from) && seenSince(online(connector), connector, gatewayID, from)
}

// bans counts what the controller says of bans.
func bans(s *site) int {
	out, _ := s.controller.Try("sh", "-c", "journalctl -u grpccontroller.service -o cat --no-pager | grep -c banned")
	n, _ := strconv.Atoi(strings.TrimSpace(out))
	return n
}

// clock is the time on a host, in seconds, as its journal has it.
func (s *site) clock(b *hosts.Box) float64 {
	s.t.Helper()
	at, err := strconv.ParseFloat(strings.TrimSpace(b.Run("date", "+%s.%6N")), 64)
	require.NoError(s.t, err)
	return at
}

// sessions lists when sessions of a tunneler were opened or ended at a connector.
func sessions(t *testing.T, b *hosts.Box, how, id string, since float64) (at []float64) {
	t.Helper()
	for _, entry := range strings.Split(b.Run("journalctl", "-u", connector.unit, "-o", "short-unix", "--no-pager"), "\n") {
		if !strings.Contains(entry, "session "+how) || !strings.Contains(entry, "/tunneler/"+id+"\"") {
			continue
		}
		stamp, _, _ := strings.Cut(entry, " ")
		when, err := strconv.ParseFloat(stamp, 64)
		require.NoError(t, err, entry)
		if when >= since {
			at = append(at, when)
		}
	}
	return at
}

// line is the first one of a page of a program's health listener that begins with a text.
func line(b *hosts.Box, r role, page, begins string) string {
	out, _ := b.Try("curl", "-sS", "--max-time", "5", "http://"+r.health+page)
	for l := range strings.Lines(out) {
		if strings.HasPrefix(l, begins) {
			return l
		}
	}
	return ""
}

// without is a block of commands without the one that begins so.
func without(t *testing.T, block, begins string) string {
	t.Helper()
	all := strings.Split(block, "\n")
	rest := slices.DeleteFunc(slices.Clone(all), func(c string) bool { return strings.HasPrefix(c, begins) })
	require.Len(t, rest, len(all)-1, block)
	return strings.Join(rest, "\n")
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
