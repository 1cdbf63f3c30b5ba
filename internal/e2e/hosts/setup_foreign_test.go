package hosts_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSetupLeavesWhatIsNotItsOwn puts something of somebody else on a host each
// time, and takes it away again.
func TestSetupLeavesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	fresh := disk(c.box)
	for name, tc := range map[string]struct {
		before, after, want string
		code                int
	}{
		"another spire-agent.service": {
			`printf '[Service]\nExecStart=/bin/sleep 600\n' >/etc/systemd/system/spire-agent.service && systemctl start spire-agent`,
			`systemctl stop spire-agent && rm /etc/systemd/system/spire-agent.service && systemctl daemon-reload`,
			"another spire-agent.service is on this host", 2,
		},
		"a masked spire-agent.service": {
			`systemctl mask spire-agent.service`, `systemctl unmask spire-agent.service`, "another spire-agent.service is on this host", 2,
		},
		"a spire-agent.service of ours that starts something else": {
			`d=/etc/systemd/system; mkdir $d/spire-agent.service.d && printf '[Service]\nExecStart=\nExecStart=/bin/true\n' >$d/spire-agent.service.d/x.conf &&
				printf '[Service]\nExecStart=/usr/lib/grpc-spire-agent/host-agent run\n' >$d/spire-agent.service && systemctl daemon-reload`,
			`rm -r /etc/systemd/system/spire-agent.service* && systemctl daemon-reload`, "another spire-agent.service is on this host", 2,
		},
		"a socket directory of another agent": {
			`install -d -o daemon /run/spire-agent`, `rmdir /run/spire-agent`, "/run/spire-agent belongs to something else (daemon directory)", 2,
		},
		"another agent's directory": {
			`install -d -o daemon /var/lib/spire-agent`, `rmdir /var/lib/spire-agent`, "/var/lib/spire-agent belongs to something else (daemon directory)", 2,
		},
		"a link for the host's directory": {
			`ln -s /root /var/lib/spire-agent`, `rm /var/lib/spire-agent`, "/var/lib/spire-agent belongs to something else", 2,
		},
		"another agent's data in its directory": {
			`mkdir /var/lib/spire-agent && echo x >/var/lib/spire-agent/svid.key`, `rm -r /var/lib/spire-agent`, "which is not ours", 2,
		},
		"another agent's user": {
			`cd /etc && cp -a passwd passwd.x && echo 'spire-agent:x:990:65534::/opt/spire:/usr/sbin/nologin' >>passwd`, `cd /etc && mv passwd.x passwd`,
			"the user spire-agent (home /opt/spire) belongs to another SPIRE agent", 2,
		},
		"an agent of ours in another trust domain": {
			`install -d /var/lib/spire-agent && echo '{"trust_domain": "other.internal"}' >/var/lib/spire-agent/host.json`, `rm -r /var/lib/spire-agent`,
			`is enrolled in trust domain "other.internal", not "mycorp.internal"`, 2,
		},
		"a conf file for another id": {
			`mkdir /etc/grpcconnector && echo CONNECTOR_ID=other >/etc/grpcconnector/connector.conf`, `rm -r /etc/grpcconnector`,
			`says CONNECTOR_ID=other, and here it is "gw": use that value, or -f`, 2,
		},
		"another release key that was kept": {
			`mkdir /etc/grpc-spire-agent && openssl ecparam -name prime256v1 -genkey -noout | openssl pkey -pubout -out /etc/grpc-spire-agent/release.pub`,
			`rm -r /etc/grpc-spire-agent`, "run this again with --accept-release-key", 1,
		},
		"another setup that runs": {
			`systemd-run --quiet --unit=other flock /run/grpc-setup.lock sleep 60 && while flock -n /run/grpc-setup.lock true; do sleep 0.05; done`,
			`systemctl stop other`, "another setup runs on this host", 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.t, c.shop.T = t, t
			c.box.Run("bash", "-ec", tc.before)
			before := disk(c.box)
			out, code := c.run(variables())
			require.Equal(t, tc.code, code, out)
			require.Contains(t, out, tc.want)
			c.untouched(before)
			c.box.Run("bash", "-ec", tc.after)
			c.untouched(fresh)
		})
	}
	t.Run("a package, naming the commands to use", func(t *testing.T) {
		c.t = t
		install(t, c.box, "grpc-spire-agent", "grpcconnector")
		before := disk(c.box)
		out, code := c.run(variables())
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "grpcconnector comes from a package (dpkg)")
		require.Contains(t, out, "grpcconnector enroll --controller-addr "+shopAddress)
		c.untouched(before)
		out, code = c.run(nil, "--uninstall")
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "apt-get purge grpcconnector")
		c.untouched(before)
	})
}
