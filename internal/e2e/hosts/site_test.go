package hosts_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

// dist is where `make packages` puts them.
const dist = "../../../dist"

// patience bounds every wait for a host to come back.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	err := hosts.Check()
	if debs, _ := filepath.Glob(filepath.Join(dist, "*_"+runtime.GOARCH+".deb")); err == nil && len(debs) != 4 {
		err = fmt.Errorf("%d of 4 Debian packages in dist: run make packages", len(debs))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// packageFile is the build of a package for this machine; format is deb or rpm.
func packageFile(t *testing.T, name, format string) string {
	t.Helper()
	arch := map[string]string{"deb amd64": "_amd64", "deb arm64": "_arm64", "rpm amd64": ".x86_64", "rpm arm64": ".aarch64"}[format+" "+runtime.GOARCH]
	found, err := filepath.Glob(filepath.Join(dist, name+"?[0-9]*"+arch+"."+format))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// install installs packages as an operator does who has the files.
func install(t *testing.T, b *hosts.Box, names ...string) {
	t.Helper()
	command := []string{"dpkg", "-i"}
	for _, name := range names {
		b.Copy(packageFile(t, name, "deb"), "/root/"+name+".deb")
		command = append(command, "/root/"+name+".deb")
	}
	b.Run(command...)
}

// role is what differs between a connector and a tunneler.
type role struct {
	kind, program, unit, health string
}

var (
	connector = role{"connector", "grpcconnector", "grpcconnector.service", "127.0.0.1:9465"}
	tunneler  = role{"tunneler", "grpctunneler", "grpctunneler.service", "127.0.0.1:9466"}
)

// site is a network with a running controller.
type site struct {
	t          *testing.T
	network    *hosts.Network
	controller *hosts.Box
	ca         string
}

func newSite(t *testing.T, more ...string) *site {
	t.Helper()
	s := &site{t: t, network: hosts.New(t)}
	s.controller = s.network.Boot("controller")
	install(t, s.controller, "grpccontroller")
	s.controller.Write("/etc/grpccontroller/controller.yaml", "public_address: "+s.controller.IP+"\n"+strings.Join(more, "\n")+"\n")
	s.controller.Run("systemctl", "enable", "--now", "grpccontroller.service")
	s.ca = s.controller.Run("cat", "/var/lib/grpccontroller/bootstrap/ca.crt")
	return s
}

// token makes an enrollment token.
func (s *site) token(r role, id string) string {
	s.t.Helper()
	return strings.TrimSpace(s.controller.Run("grpccontroller", "token", "create", "--kind", r.kind, "--id", id, "--quiet"))
}

// paste runs a command that the controller printed on a host that has the packages; it
// ends when the host is ONLINE, and leaves nothing.
func (s *site) paste(b *hosts.Box, r role, id, stdin, command string) string {
	s.t.Helper()
	require.NotEmpty(s.t, command)
	out, err := b.Feed(stdin, "bash", "-c", command)
	require.NoError(s.t, err, out)
	require.Contains(s.t, out, r.kind+"/"+id+" is ONLINE")
	require.Contains(s.t, out, r.program+" doctor")
	for _, unit := range []string{r.unit, "spire-agent.service"} {
		require.Equal(s.t, "enabled\n", b.Run("systemctl", "is-enabled", unit))
	}
	require.Empty(s.t, b.Run("find", "/tmp", "-name", "tmp.*"), "something is left in the temporary directory")
	return out
}

// asks enrolls a host by the command of an empty Approvals page, and an operator who
// reads the last group of the fingerprint on the host's screen.
func (s *site) asks(b *hosts.Box, r role, id string) {
	s.t.Helper()
	command := s.controller.Run("sh", "-c", "grpccontroller requests command --kind "+r.kind+" 2>/dev/null")
	const screen = "/root/screen"
	done := make(chan string, 1)
	go func() {
		out, _ := b.Try("bash", "-c", "exec >"+screen+" 2>&1\n"+command)
		done <- out
	}()
	shown := regexp.MustCompile(`(?s)code\s+(\S+).*fingerprint\s+\S+-(\S+)\n`)
	var seen []string
	s.eventually(func() bool {
		text, _ := b.Try("cat", screen)
		seen = shown.FindStringSubmatch(text)
		return seen != nil
	}, func() string { return id + " shows no fingerprint" })
	s.controller.Run("grpccontroller", "requests", "approve", seen[1], "--fingerprint", seen[2])
	<-done
	require.Contains(s.t, b.Run("cat", screen), r.kind+"/"+id+" is ONLINE")
}

// member is a role that a host has.
type member struct {
	on *hosts.Box
	role
	id string
}

// online waits until the program says that it is ready and the controller that it
// is ONLINE, by a heartbeat that came after this call.
func (s *site) online(b *hosts.Box, r role, id string) {
	s.t.Helper()
	s.onlineSince(time.Now(), member{b, r, id})
}

// onlineSince is online for several members at once, by heartbeats after from: those who
// enroll were not there before their command, so none of them needs a second heartbeat.
func (s *site) onlineSince(from time.Time, members ...member) {
	s.t.Helper()
	for _, m := range members {
		var last string
		ok := func() bool {
			out, err := m.on.Try("curl", "-sS", "--max-time", "5", "http://"+m.health+"/readyz")
			last = out
			if err != nil || !strings.HasSuffix(out, "\nready\n") {
				return false
			}
			out, err = s.controller.Try("grpccontroller", m.kind+"s", "list", "--status", "ONLINE", "-o", "json")
			last += out
			return err == nil && seenSince(out, m.role, m.id, from)
		}
		s.eventually(ok, func() string { return m.id + " is not ONLINE: " + last })
	}
}

// seenSince reads a list of the admin API.
func seenSince(list string, r role, id string, from time.Time) bool {
	var members []struct {
		ID       string    `json:"id"`
		LastSeen time.Time `json:"last_seen"`
	}
	if json.Unmarshal([]byte(list), &members) != nil {
		var page map[string]json.RawMessage
		if json.Unmarshal([]byte(list), &page) != nil || json.Unmarshal(page[r.kind+"s"], &members) != nil {
			return false
		}
	}
	for _, m := range members {
		if m.ID == id && m.LastSeen.After(from) {
			return true
		}
	}
	return false
}

func (s *site) eventually(ok func() bool, why func() string) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		require.True(s.t, time.Now().Before(deadline), why())
		<-tick.C
	}
}

func hostID(t *testing.T, b *hosts.Box) string {
	t.Helper()
	text := b.Run("grep", "host_id", "/var/lib/spire-agent/host.json")
	require.Contains(t, text, `"host_id"`)
	return text
}

func property(b *hosts.Box, unit, name string) string {
	return strings.TrimSpace(b.Run("systemctl", "show", "--value", "-p", name, unit))
}

// listed says whether the side that lost somebody still thinks that all is well:
// the controller of a host, the hosts of their controller.
func (s *site) listed(cut, gateway, laptop *hosts.Box) bool {
	switch cut {
	case gateway:
		return strings.Contains(s.controller.Run("grpccontroller", "connectors", "list", "--status", "ONLINE"), gatewayID)
	case laptop:
		return strings.Contains(s.controller.Run("grpccontroller", "tunnelers", "list", "--status", "ONLINE"), laptopID)
	default:
		out, _ := gateway.Try("curl", "-sS", "http://"+connector.health+"/readyz")
		return strings.Contains(out, "[+] control_stream")
	}
}
