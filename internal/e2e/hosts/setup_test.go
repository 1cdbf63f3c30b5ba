package hosts_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

// TestSetup is the story of hosts that are installed by the scripts, each part of it
// where the one before ended.
func TestSetup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	expired := s.issue(connector, laptopID, "--ttl", "1m")
	expires := time.Now().Add(time.Minute + time.Second)
	gw, lap := s.network.Boot("gateway"), s.network.Boot("laptop")
	for _, b := range []*hosts.Box{gw, lap} {
		b.Write("/root/ca.crt", s.ca)
		// sudo's own log has the seed's command, token included, as the warnings say. All
		// else in the journal is searched.
		b.Write("/etc/sudoers.d/quiet", "Defaults !syslog\n")
	}
	fresh := files(lap)
	tell := func(name string, f func(t *testing.T)) {
		if !t.Run(name, func(t *testing.T) { s.t = t; defer func() { s.t = nil }(); f(t) }) {
			t.FailNow()
		}
	}
	tell("the command of the seed makes a connector ONLINE", func(t *testing.T) {
		token, begin := s.issue(connector, gatewayID), time.Now()
		seen := watchFor(t, token.Token)
		out, err := gw.Try("bash", "-c", seed(s, "setup.sh", "CONNECTOR_ID", gatewayID, token.Token))
		require.NoError(t, err, out)
		require.Contains(t, out, "connector/"+gatewayID+" is installed, enrolled and ready")
		require.Subset(t, []string{"nsenter", "timeout", "bash", "sudo"}, seen(), "beside the command itself, a process had the token")
		s.onlineSince(begin, member{gw, connector, gatewayID})
		require.NotContains(t, out, token.Token)
		require.Empty(t, holding(gw, token.Token), "the token is in a file")
	})
	tell("the command of the seed makes a tunneler ONLINE", func(t *testing.T) {
		begin := time.Now()
		out, err := lap.Try("bash", "-c", seed(s, "tunneler-setup.sh", "TUNNELER_ID", laptopID, s.issue(tunneler, laptopID).Token,
			`CONNECTOR_ADDR="`+gw.IP+`:9443"`))
		require.NoError(t, err, out)
		require.Contains(t, out, "tunneler/"+laptopID+" is installed, enrolled and ready")
		s.onlineSince(begin, member{lap, tunneler, laptopID})
	})
	tell("a second role, by the command that the controller prints, reuses the host's identity", func(t *testing.T) {
		before, begin := hostID(t, gw), time.Now()
		token := s.issue(tunneler, secondID)
		require.NotContains(t, token.command(t, "stdin"), token.Token)
		seen := watchFor(t, token.Token)
		out, err := gw.Feed(token.Token+"\n", "bash", "-c", token.command(t, "stdin"))
		require.NoError(t, err, out)
		require.Empty(t, seen(), "a process had the token in its arguments or environment")
		s.onlineSince(begin, member{gw, tunneler, secondID})
		require.NotContains(t, out+gw.Run("journalctl", "--no-pager", "-o", "export"), token.Token)
		require.Empty(t, gw.Run("find", "/tmp", "-name", "tmp.*"), "something is left in the temporary directory")
		require.Empty(t, holding(gw, token.Token), "the token is in a file")
		require.Equal(t, before, hostID(t, gw))
		require.Equal(t, "1\n", gw.Run("pgrep", "-c", "-x", "spire-agent"))
	})
	tell("whoever is not the unit gets no SVID", func(t *testing.T) { strangers(t, s, gw) })
	tell("the same command again changes nothing", func(t *testing.T) {
		before := hostID(t, gw) + property(gw, connector.unit, "InvocationID") + property(gw, "spire-agent.service", "InvocationID")
		out, err := gw.Try("bash", "-c", seed(s, "setup.sh", "CONNECTOR_ID", gatewayID, ""))
		require.NoError(t, err, out)
		require.Contains(t, out, "nothing to do")
		require.Equal(t, before, hostID(t, gw)+property(gw, connector.unit, "InvocationID")+property(gw, "spire-agent.service", "InvocationID"))
	})
	all := func() {
		s.onlineSince(time.Now(), member{gw, connector, gatewayID}, member{gw, tunneler, secondID}, member{lap, tunneler, laptopID})
	}
	tell("a reboot, a power loss and a partition of each host heal by themselves", func(*testing.T) {
		for _, b := range []*hosts.Box{gw, lap, s.controller} {
			b.Reboot()
			all()
			b.PowerLoss()
			b.Start()
			all()
			b.Cut()
			s.eventually(func() bool { return !s.listed(b, gw, lap) }, func() string { return "nobody noticed that " + b.Name + " was cut off" })
			b.Mend()
			all()
		}
	})
	tell("another address of the controller keeps the identity, and needs no token", func(t *testing.T) {
		before, names := hostID(t, lap), lap.Run("sh", "-c", "cat /etc/hosts 2>/dev/null; true")
		lap.Write("/etc/hosts", names+s.controller.IP+" ctl\n")
		for _, at := range []string{"ctl", s.controller.IP} { // there and back
			command := strings.Replace(seed(s, "tunneler-setup.sh", "TUNNELER_ID", laptopID, ""), `ADDR="`+s.controller.IP, `ADDR="`+at, 1)
			out, err := lap.Try("bash", "-c", command)
			require.NoError(t, err, out)
			require.Contains(t, out, "it keeps its identity")
			require.Contains(t, lap.Run("cat", "/etc/grpctunneler/tunneler.conf"), "\nCONTROLLER_ADDR="+at+":8443\n")
			s.online(lap, tunneler, laptopID)
			require.Equal(t, before, hostID(t, lap))
		}
		if names == "" {
			lap.Run("rm", "/etc/hosts")
		} else {
			lap.Write("/etc/hosts", names)
		}
	})
	tell("-f enrolls the host anew", func(t *testing.T) {
		before := hostID(t, lap)
		token := s.issue(tunneler, laptopID, "--replace")
		// The one command that has the token in it, with an option for the script.
		command, whole := strings.CutSuffix(token.command(t, "environment"), "\n)")
		require.True(t, whole)
		out, err := lap.Try("bash", "-c", command+" -f\n)")
		require.NoError(t, err, out)
		s.online(lap, tunneler, laptopID)
		require.NotEqual(t, before, hostID(t, lap))
		require.Regexp(t, `tunneler\.conf\.\d{8}T\d{6}Z\.bak`, lap.Run("ls", "/etc/grpctunneler"))
	})
	tell("packages over it keep the identity", func(t *testing.T) {
		before := hostID(t, gw)
		command := []string{"dpkg", "--force-confold", "-i"}
		for _, name := range []string{"grpc-spire-agent", "grpcconnector"} {
			gw.Copy(packageFile(t, name, "deb"), "/root/"+name+".deb")
			command = append(command, "/root/"+name+".deb")
		}
		gw.Run(command...)
		s.onlineSince(time.Now(), member{gw, connector, gatewayID}, member{gw, tunneler, secondID})
		require.Equal(t, before, hostID(t, gw))
		out, err := gw.Try("bash", "-c", seed(s, "setup.sh", "CONNECTOR_ID", gatewayID, ""))
		require.Error(t, err, out)
		require.Contains(t, out, "comes from a package (dpkg)")
	})
	tell("uninstalling leaves nothing", func(t *testing.T) {
		out := lap.Run("bash", "-c", fetched(s, "tunneler-setup.sh")+" | sudo bash -s -- --uninstall")
		require.Contains(t, out, "grpccontroller tunnelers revoke "+laptopID)
		require.Empty(t, lines(files(lap)).minus(lines(fresh)))
		require.NotContains(t, lap.Run("cat", "/etc/passwd", "/etc/group"), "spire-agent")
		require.NotEqual(t, "active", property(lap, tunneler.unit, "ActiveState"))
	})
	tell("an expired token leaves nothing", func(t *testing.T) {
		s.eventually(func() bool { return time.Now().After(expires) }, func() string { return "the time stands still" })
		before := disk(lap)
		out, err := lap.Try("bash", "-c", seed(s, "setup.sh", "CONNECTOR_ID", laptopID, expired.Token))
		require.Error(t, err, out)
		require.Contains(t, out, "the controller refused this token")
		require.Contains(t, out, "Everything is as it was.")
		require.Equal(t, lines(before), lines(disk(lap)))
	})
}

// issued is what `token create` prints.
type issued struct {
	Token           string `json:"token"`
	ClaimURL        string `json:"claim_url"`
	InstallCommands []struct {
		Form    string `json:"form"`
		Command string `json:"command"`
	} `json:"install_commands"`
}

func (s *site) issue(r role, id string, more ...string) issued {
	s.t.Helper()
	var out issued
	text := s.controller.Run(append([]string{"grpccontroller", "token", "create", "--kind", r.kind, "--id", id, "-o", "json"}, more...)...)
	require.NoError(s.t, json.Unmarshal([]byte(text), &out), text)
	return out
}

// command is the one of a form.
func (i issued) command(t *testing.T, form string) string {
	t.Helper()
	for _, c := range i.InstallCommands {
		if c.Form == form {
			return c.Command
		}
	}
	require.Fail(t, "no install command", "of form %s: %v", form, i.InstallCommands)
	return ""
}

// fetched prints a script.
func fetched(s *site, script string) string {
	return fmt.Sprintf("curl -fsSL --proto '=https' --cacert /root/ca.crt --capath /root --connect-to enroll.mycorp.internal:8443:%s:8443 https://enroll.mycorp.internal:8443/install/%s",
		s.controller.IP, script)
}

// seed is the command of the seed, from this controller rather than a public site.
func seed(s *site, script, idName, id, token string, more ...string) string {
	return fmt.Sprintf(`%s | sudo \
  CONTROLLER_ADDR="%s:8443" \
  %s="%s" \
  ENROLLMENT_TOKEN="%s" \
  CONTROLLER_CA_PATH="/root/ca.crt" \
  %s bash`, fetched(s, script), s.controller.IP, idName, id, token, strings.Join(more, " "))
}

// watchFor looks for a text in the arguments and the environment of every process of
// this machine, hosts included, until the function is called, which returns the
// names of those that had it.
func watchFor(t *testing.T, text string) func() []string {
	t.Helper()
	stop, found := make(chan struct{}), map[string]bool{}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			paths, _ := filepath.Glob("/proc/[0-9]*")
			for _, p := range paths {
				for _, name := range []string{"cmdline", "environ"} {
					if raw, _ := os.ReadFile(filepath.Join(p, name)); bytes.Contains(raw, []byte(text)) {
						comm, _ := os.ReadFile(filepath.Join(p, "comm"))
						found[strings.TrimSpace(string(comm))] = true
					}
				}
			}
		}
	}()
	var once sync.Once
	end := func() { once.Do(func() { close(stop); wg.Wait() }) }
	t.Cleanup(end)
	return func() []string {
		end()
		var names []string
		for n := range found {
			names = append(names, n)
		}
		return names
	}
}

// holding are the files of a host with a text in them, but for the journal.
func holding(b *hosts.Box, text string) string {
	out, _ := b.Feed(text, "grep", "-rlF", "-f", "-", "/etc", "/var/lib", "/var/tmp", "/tmp", "/run", "/root", "/usr/bin", "/usr/lib/grpc-spire-agent", "/home")
	return strings.ReplaceAll(out, "grep: /run/log", "")
}
