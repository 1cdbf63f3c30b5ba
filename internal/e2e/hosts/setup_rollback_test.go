package hosts_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
)

// What the connector's enroll does in the shop, beside refusing.
const (
	enrolls = `cat >/dev/null; cd /var/lib/spire-agent; [[ -e host.key ]] || echo $RANDOM >host.key
echo '{"trust_domain": "mycorp.internal"}' >host.json; touch host.crt
all="$*"; id=${all#*--connector-id }; printf "CONNECTOR_ID=${id%% *}\nCONTROL_PLANE_ADDRS=ctl:8444\n" >>/etc/grpcconnector/connector.conf`
	losesTheReply = `cat >/dev/null; echo key >/var/lib/spire-agent/host.key; exit 1`
	isKilled      = `cat >/dev/null; echo key >/var/lib/spire-agent/host.key; kill -TERM $PPID; exit 1`
	refusesTheKey = `cat >/dev/null; echo key >/var/lib/spire-agent/host.key; echo x >>/etc/grpcconnector/connector.conf; exit 3`
	running       = "[[ $1 == run ]] && exec sleep 600\n"
)

// newPatient is a customer whose connector is ready unless /root/unready exists. The
// n-th command that the installation calls fails if /root/fail says n; that its n-th
// change of a file fails is a test of internal/hostinstall.
func newPatient(t *testing.T) *customer {
	t.Helper()
	c := newCustomer(t)
	// It comes and goes with the connector, whose unit wants it: before, its port is free.
	c.box.Write("/etc/systemd/system/health.socket", "[Unit]\nPartOf=grpcconnector.service\n[Socket]\nListenStream=127.0.0.1:9465\nAccept=yes\n")
	c.box.Write("/etc/systemd/system/health@.service", "[Service]\nStandardInput=socket\nExecStart=/bin/bash /root/health\n")
	c.box.Write("/root/health", `IFS= read -r request; while IFS= read -r line && [[ $line != $'\r' ]]; do :; done
[[ -e /root/unready ]] && ready=false status=503 || ready=true status=200
body='[-] a: broke' id=$(sed -n 's/^CONNECTOR_ID=//p' /etc/grpcconnector/connector.conf | tail -n 1)
[[ $request != *' /status '* ]] || status=200 body='{"program": "grpcconnector", "id": "'$id'", "started_at": "'$(date -u +%FT%T.%NZ)'", "ready": '$ready', "checks": [{"name": "a", "ok": '$ready', "detail": "broke"}]}'
printf 'HTTP/1.1 %s x\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' $status ${#body} "$body"
`)
	// Only what changes something counts.
	c.box.Write("/root/broken", `#!/bin/bash
[[ ${0##*/}$1 != systemctlshow ]] || exec /usr/bin/systemctl "$@"
n=$(($(</root/count) + 1)); echo $n >/root/count
[[ $n != "$(</root/fail)" ]] || exit 1
exec "/usr/bin/${0##*/}" "$@"
`)
	c.box.Run("sh", "-c", `mkdir /root/shim; chmod 755 /root/broken; for c in systemctl systemd-sysusers systemd-tmpfiles; do
		ln -s ../broken /root/shim/$c; done; systemctl daemon-reload`)
	return c
}

// systemctl puts another one into /root/other.
func (c *customer) systemctl(text string) {
	c.box.Write("/root/other/systemctl", "#!/bin/bash\n"+text+"\n")
	c.box.Run("chmod", "755", "/root/other/systemctl")
}

// breaks runs the script again and again, in each run another command failing, until
// it gets to its end without a fault; check looks at each outcome. It takes every
// step-th command.
func (c *customer) breaks(step int, vars []string, check func(out string, code int)) {
	for n := 1; ; n += step {
		c.box.Write("/root/count", "0\n")
		c.box.Write("/root/fail", strconv.Itoa(n)+"\n")
		out, code := c.run(append(vars, "PATH=/root/shim:/usr/sbin:/usr/bin"))
		count, err := strconv.Atoi(strings.TrimSpace(c.box.Run("cat", "/root/count")))
		require.NoError(c.t, err)
		if count < n {
			require.Greater(c.t, n, 3, "so few commands?")
			c.t.Logf("%d commands, of which failed every %d.", count, step)
			return
		}
		check(fmt.Sprintf("command %d failed: %s", n, out), code)
	}
}

// TestSetupRollsBack breaks it at each of its steps on one host.
func TestSetupRollsBack(t *testing.T) {
	t.Parallel()
	c := newPatient(t)
	fresh := disk(c.box)
	c.box.Run("sh", "-c", "mkdir /root/accounts && cp -a /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /root/accounts")
	tell := func(name string, enroll string, f func(t *testing.T)) {
		if !t.Run(name, func(t *testing.T) {
			c.t, c.shop.T = t, t
			c.shop.Restock(installs(running + enroll))
			f(t)
		}) {
			t.FailNow()
		}
	}
	refused := func(want string) {
		out, code := c.run(variables())
		require.Equal(c.t, 2, code, out)
		require.Contains(c.t, out, want)
		require.NotContains(c.t, out, "Enrolling", "the token was spent")
	}
	tell("whichever step before the enrollment fails", refusesTheKey, func(*testing.T) {
		c.breaks(1, variables(), func(out string, code int) {
			require.NotZero(c.t, code, out)
			if strings.Contains(out, "the host is NOT as it was") { // a step of the way back failed
				require.Contains(c.t, out, "the host is not enrolled")
				c.run(variables(), "--uninstall")
				c.box.Run("sh", "-c", "cp -a /root/accounts/* /etc")
				require.Empty(c.t, lines(disk(c.box)).minus(lines(fresh)), out)
				return
			}
			c.untouched(fresh)
		})
		c.untouched(fresh)
	})
	tell("when the disk is full", refusesTheKey, func(*testing.T) {
		files := controltest.AgentFiles()
		files[1].Text += strings.Repeat("#", 2<<20)
		c.shop.Put(controltest.AgentTar, files...)
		c.shop.Sign()
		c.box.Run("sh", "-c", "mkdir /usr/lib/grpc-spire-agent && mount -t tmpfs -o size=1m tmpfs /usr/lib/grpc-spire-agent")
		before := disk(c.box)
		refused("no space: the file system of /usr/lib/grpc-spire-agent has 1.0 MiB free")
		c.untouched(before)
		c.box.Run("sh", "-c", "umount /usr/lib/grpc-spire-agent && rmdir /usr/lib/grpc-spire-agent")
	})
	tell("when the directory of the units is read-only", refusesTheKey, func(*testing.T) {
		c.box.Run("sh", "-c", "mount --bind /etc/systemd/system /etc/systemd/system && mount -o remount,bind,ro /etc/systemd/system")
		refused("cannot write in /etc/systemd/system: read-only file system")
		out, code := c.run(variables(), "--dry-run")
		require.Equal(c.t, 2, code, out)
		require.Contains(c.t, out, "read-only file system")
		c.box.Run("umount", "/etc/systemd/system")
		c.untouched(fresh)
	})
	for name, enroll := range map[string]string{"when nobody knows the outcome": losesTheReply, "when it is killed meanwhile": isKilled} {
		tell(name+", but keeps the key", enroll, func(t *testing.T) {
			out, code := c.run(variables())
			require.NotZero(t, code, out)
			require.Contains(t, out, "Run the same command again with the same token.")
			require.Equal(t, "key\n", c.box.Run("cat", "/var/lib/spire-agent/host.key"))
			require.Equal(t, "root 700\n", c.box.Run("stat", "-c", "%U %a", "/var/lib/spire-agent"))
			require.Equal(t, []string{
				"/var/lib/spire-agent drwx------ 0 0", "/var/lib/spire-agent/host.key -rw-r--r-- 0 0 4 ",
				"a7998f247bd965694ff227fa325c81169a07471a8b6808d3e002a486c4e65975  /var/lib/spire-agent/host.key",
			}, lines(disk(c.box)).minus(lines(fresh)))
		})
	}
	tell("and takes that key up in the next run", enrolls, func(t *testing.T) {
		out, code := c.run(variables())
		require.Zero(t, code, out)
		require.Equal(t, "key\n", c.box.Run("cat", "/var/lib/spire-agent/host.key"))
	})
	tell("a second run changes nothing and needs no token", enrolls, func(t *testing.T) {
		before := disk(c.box) + c.box.Run("systemctl", "show", "-p", "InvocationID", "grpcconnector", "spire-agent")
		out, code := c.run(variables("ENROLLMENT_TOKEN="))
		require.Zero(t, code, out)
		require.Contains(t, out, "nothing to do")
		require.Equal(t, before, disk(c.box)+c.box.Run("systemctl", "show", "-p", "InvocationID", "grpcconnector", "spire-agent"))
	})
	upgrade := func(enroll string) { c.shop.Upgrade(installs(running+enroll), "v1.10.0") }
	tell("an upgrade, whichever step fails", enrolls, func(t *testing.T) {
		upgrade(enrolls)
		before := disk(c.box)
		c.breaks(1, variables("ENROLLMENT_TOKEN="), func(out string, code int) {
			if code == 0 { // what failed did not matter
				require.Contains(t, out, "is installed, enrolled and ready")
				c.shop.Restock(installs(running + enrolls))
				c.box.Run("sh", "-c", "rm /usr/bin/grpcconnector /usr/lib/grpc-spire-agent/host-agent")
				c.run(variables("ENROLLMENT_TOKEN="))
				upgrade(enrolls)
			}
			c.untouched(before)
		})
		require.Contains(t, c.box.Run("grpcconnector", "version"), "v1.10.0")
		c.box.Run("sh", "-c", "rm /usr/bin/grpcconnector /usr/lib/grpc-spire-agent/host-agent")
	})
	tell("an upgrade that does not become ready", enrolls, func(t *testing.T) {
		out, code := c.run(variables("ENROLLMENT_TOKEN="))
		require.Zero(t, code, out)
		before := disk(c.box)
		upgrade(enrolls)
		c.systemctl(`[[ $1 != enable ]] || touch /root/unready; exec /usr/bin/systemctl "$@"`)
		out, code = c.run(variables("ENROLLMENT_TOKEN=", "READY_TIMEOUT=1", "PATH=/root/other:/usr/sbin:/usr/bin"))
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "not ONLINE yet after 1s: a: broke")
		require.Contains(t, out, "grpcconnector doctor")
		c.box.Run("rm", "/root/unready")
		c.untouched(before)
	})
	tell("an older controller takes nothing back", enrolls, func(t *testing.T) {
		upgrade(enrolls)
		out, code := c.run(variables("ENROLLMENT_TOKEN="))
		require.Zero(t, code, out)
		before := disk(c.box)
		c.shop.Restock(installs(running + enrolls))
		out, code = c.run(variables("ENROLLMENT_TOKEN="))
		require.Zero(t, code, out)
		require.Contains(t, out, "grpcconnector v1.10.0 on this host is newer, and stays")
		c.untouched(before)
	})
	tell("a change of the conf needs -f, which keeps a backup", enrolls, func(t *testing.T) {
		c.box.Run("sh", "-c", "echo '# mine' >>/etc/grpcconnector/connector.conf")
		out, code := c.run(variables("CONNECTOR_ID=gw-2"))
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "-f")
		out, code = c.run(variables("CONNECTOR_ID=gw-2"), "-f")
		require.Zero(t, code, out)
		require.NotContains(t, c.box.Run("cat", "/etc/grpcconnector/connector.conf"), "# mine")
		backups := strings.Fields(c.box.Run("sh", "-c", "ls /etc/grpcconnector/*.bak"))
		require.Len(t, backups, 1)
		require.Regexp(t, `^/etc/grpcconnector/connector\.conf\.\d{8}T\d{6}Z\.bak$`, backups[0])
		require.Contains(t, c.box.Run("cat", backups[0]), "# mine")
	})
	const refusesAnew = `cat >/dev/null; cd /var/lib/spire-agent
[[ " $* " == *" --new-host "* ]] && for f in host.key host.crt host.json; do mv $f $f.20261122T101112Z; done; echo other >host.key; exit 3`
	tell("an enrollment anew that is refused", enrolls, func(t *testing.T) {
		upgrade(refusesAnew)
		before := disk(c.box)
		out, code := c.run(variables(), "-f")
		require.Equal(t, 1, code, out)
		c.untouched(before)
	})
	tell("uninstalling leaves nothing, and says so beforehand", enrolls, func(t *testing.T) {
		before := disk(c.box)
		out, code := c.run(nil, "--uninstall", "--dry-run")
		require.Zero(t, code, out)
		require.Contains(t, out, "rm -rf /var/lib/spire-agent")
		c.untouched(before)
		out, code = c.run(nil, "--uninstall")
		require.Zero(t, code, out)
		require.Contains(t, out, "grpccontroller connectors revoke gw")
		c.box.Run("sh", "-c", "cp -a /root/accounts/* /etc")
		require.Empty(t, lines(disk(c.box)).minus(lines(fresh)))
	})
	tell("a start that fails keeps the identity", enrolls, func(t *testing.T) {
		c.systemctl(`[[ $1 != enable ]] && exec /usr/bin/systemctl "$@"`)
		out, code := c.run(variables("PATH=/root/other:/usr/sbin:/usr/bin"))
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "failed: Starting grpcconnector.service")
		require.Contains(t, out, "journalctl -u grpcconnector.service")
		require.NotContains(t, out, "Rolling back")
		out, code = c.run(variables("ENROLLMENT_TOKEN="))
		require.Zero(t, code, out)
		require.Contains(t, out, "is installed, enrolled and ready")
	})
}
