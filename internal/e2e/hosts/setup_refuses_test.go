package hosts_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

// goodToken has the form of one; only a controller would know that it is not.
const goodToken = "ztc_u333byr3gwr5sxzhzvvj7x3a32z4jutpducrmja"

// customer is a host that runs setup.sh against a shop.
type customer struct {
	t    *testing.T
	shop *controltest.Shop
	box  *hosts.Box
}

func newCustomer(t *testing.T) *customer {
	t.Helper()
	network := hosts.New(t)
	c := &customer{t: t, shop: newShop(t, network), box: network.Boot("customer")}
	c.box.Write("/root/setup.sh", scriptText(t, "setup.sh"))
	c.box.Copy("../../../bin/grpcconnector", installer)
	c.box.Run("chmod", "755", installer)
	c.box.Write("/root/ca.crt", string(c.shop.CA.PEM()))
	return c
}

// variables are good ones; others win over them.
func variables(others ...string) []string {
	return append([]string{
		"CONTROLLER_ADDR=" + shopAddress, "CONNECTOR_ID=gw", "CONTROLLER_CA_PATH=/root/ca.crt", "ENROLLMENT_TOKEN=" + goodToken,
	}, others...)
}

// run starts the script with these variables, and returns its exit code.
func (c *customer) run(vars []string, options ...string) (string, int) {
	return exitCode(c.t, c.box, "", append(append([]string{"env"}, vars...), append([]string{"bash", "/root/setup.sh"}, options...)...)...)
}

func exitCode(t *testing.T, b *hosts.Box, stdin string, command ...string) (string, int) {
	t.Helper()
	out, err := b.Feed(stdin, command...)
	if err == nil {
		return out, 0
	}
	var failed *exec.ExitError
	require.ErrorAs(t, err, &failed, out)
	return out, failed.ExitCode()
}

// disk is everything that could show what a script left: names, owners, modes, and
// the content of what it could have changed. Programs of the test are in /root.
func disk(b *hosts.Box) string {
	const prune = `\( -path /proc -o -path /sys -o -path /dev -o -path /root -o -path /var/log -o -path /var/lib/systemd -o -path /var/lib/dpkg -o -path /var/cache \) -prune -o`
	return b.Run("bash", "-c", `find / -xdev `+prune+` \( -type d -printf '%p %M %U %G\n' -o -printf '%p %M %U %G %s %l\n' \) | LC_ALL=C sort
		find /etc /var/lib /usr/bin/grpc* /usr/lib/grpc* /usr/lib/sysusers.d /usr/lib/tmpfiles.d -xdev `+prune+` -type f -print 2>/dev/null | LC_ALL=C sort | xargs -d '\n' sha256sum
		find /run/spire-agent /tmp -mindepth 1 -printf '%p %M %U\n' 2>/dev/null | LC_ALL=C sort; systemctl list-unit-files --no-legend --no-pager; systemctl list-units --all --no-legend --no-pager 'grpc*' 'spire*'`)
}

func (c *customer) untouched(before string) {
	c.t.Helper()
	require.Empty(c.t, cmp.Diff(lines(before), lines(disk(c.box))), "the host is not as it was")
}

// TestSetupRefusesAndTouchesNothing runs it in every wrong way on one host.
func TestSetupRefusesAndTouchesNothing(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	fresh := disk(c.box)
	refuses := func(name string, code int, f func() []string, options []string, want ...string) {
		t.Run(name, func(t *testing.T) {
			c.t, c.shop.T = t, t
			c.shop.Restock(installs("exit 3"))
			out, got := c.run(f(), options...)
			require.Equal(t, code, got, out)
			for _, w := range want {
				require.Contains(t, out, w)
			}
			require.NotContains(t, out, goodToken)
			c.untouched(fresh)
		})
	}
	given := func(vars ...string) func() []string { return func() []string { return vars } }
	usual := func(spoil func()) func() []string { return func() []string { spoil(); return variables() } }

	refuses("without any variable, naming all", 2, given(), nil,
		"CONTROLLER_ADDR: is missing", "CONNECTOR_ID: is missing", "CONTROLLER_CA_PATH: is missing")
	refuses("with wrong variables for the download, naming all", 2, given("CONTROLLER_ADDR=ctl", "CONNECTOR_ID=A b", "CONTROLLER_CA_PATH=/nonexistent", "TRUST_DOMAIN=A!"), nil,
		"CONTROLLER_ADDR: must be host:port", "CONNECTOR_ID: must be 1 to 63", "CONTROLLER_CA_PATH: /nonexistent", "TRUST_DOMAIN: must be")
	refuses("with other wrong variables, naming all", 2, given(variables("CONNECTOR_PRIVATE_IP=here", "READY_TIMEOUT=soon", "ENROLLMENT_TOKEN=ztt_"+goodToken[4:])...), nil,
		"CONNECTOR_PRIVATE_IP: must be", "READY_TIMEOUT: must be", "begins with ztc_")
	refuses("without a token", 2, given(variables("ENROLLMENT_TOKEN=")...), nil, "ENROLLMENT_TOKEN: is missing")
	refuses("with a token that has a typing mistake", 2, given(variables("ENROLLMENT_TOKEN="+strings.Replace(goodToken, "u333", "u334", 1))...), nil, "has a typing mistake")
	for name, addr := range map[string]string{
		"a port too high": "ctl:65536", "port 0": "ctl:0", "a path": "ctl:8443/x", "an option": "--help:1", "an IPv6 address without brackets": "::1:8443",
	} {
		refuses("with an address that has "+name, 2, given(variables("CONTROLLER_ADDR="+addr)...), nil, "CONTROLLER_ADDR: must be host:port")
	}
	refuses("with an unknown option", 2, given(variables()...), []string{"--force"}, `unknown option "--force"`)
	c.box.Write("/root/key.pem", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n")
	refuses("with a private key as the CA", 2, given(variables("CONTROLLER_CA_PATH=/root/key.pem")...), nil, "holds a private key")
	c.box.Write("/root/empty.pem", "no certificate\n")
	refuses("with a text as the CA", 2, given(variables("CONTROLLER_CA_PATH=/root/empty.pem")...), nil, "holds no certificate in PEM")
	c.box.Run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/root/other.key", "-out", "/root/leaf.pem",
		"-subj", "/CN=leaf", "-addext", "basicConstraints=critical,CA:FALSE")
	refuses("with a leaf as the CA", 2, given(variables("CONTROLLER_CA_PATH=/root/leaf.pem")...), nil, "is not a CA's")
	c.box.Run("openssl", "req", "-x509", "-key", "/root/other.key", "-out", "/root/other-ca.pem", "-subj", "/CN=other", "-days", "2")
	old := c.shop.CA.Certificate(t, &x509.Certificate{IsCA: true, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	c.box.Write("/root/expired.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: old.Certificate[0]})))
	refuses("with an expired CA", 2, given(variables("CONTROLLER_CA_PATH=/root/expired.pem")...), nil, "has expired")
	refuses("with another CA", 1, given(variables("CONTROLLER_CA_PATH=/root/other-ca.pem")...), nil, "is not the one of /root/other-ca.pem")
	c.box.Run("sh", "-c", "cp /root/ca.crt /usr/local/share/ca-certificates/shop.crt && update-ca-certificates")
	fresh = disk(c.box)
	refuses("with another CA, though this host trusts the controller's for everything else", 1, given(variables("CONTROLLER_CA_PATH=/root/other-ca.pem")...), nil,
		"is not the one of /root/other-ca.pem")
	refuses("with another trust domain", 1, given(variables("TRUST_DOMAIN=other.internal")...), nil, "check CONTROLLER_ADDR, CONTROLLER_CA_PATH and TRUST_DOMAIN")
	refuses("with nobody at the address", 1, given(variables("CONTROLLER_ADDR=10.77.0.250:1")...), nil, "no connection to 10.77.0.250:1")
	refuses("with a token file that is missing", 2, given(append(variables("ENROLLMENT_TOKEN_FILE=/nonexistent"), "ENROLLMENT_TOKEN=")...), nil,
		"ENROLLMENT_TOKEN_FILE: /nonexistent")
	c.box.Run("sh", "-c", "mkdir /root/few; for c in bash uname stat rm mktemp sort sha256sum install grep; do ln -s /usr/bin/$c /root/few/$c; done")
	refuses("without programs, naming all", 2, given(variables("PATH=/root/few", "CONNECTOR_ID=")...), nil,
		"missing programs: curl tar gzip openssl systemctl", "apt-get install", "CONNECTOR_ID: is missing")

	for name, tc := range controltest.Spoilt() {
		refuses("from a controller with "+name, 1, usual(func() { tc.Spoil(c.shop) }), nil, tc.Want)
	}
	refuses("a dry run, and needs no token", 0, given(variables("ENROLLMENT_TOKEN=")...), []string{"--dry-run"},
		"create  /usr/bin/grpcconnector", "enroll  connector/gw", "Nothing was changed.")
	refuses("the versions", 0, given(variables()...), []string{"--version"}, "installed   nothing", "controller  "+controltest.ShopVersion)
	refuses("the help", 0, given(), []string{"--help"}, "CONTROLLER_CA_PATH", "--accept-release-key")
	refuses("an uninstallation of nothing", 0, given(), []string{"--uninstall"}, "Done.")
	refuses("an enrollment that is refused", 1, given(variables()...), nil, "the host is not enrolled", "Everything is as it was.")

	t.Run("a script that was cut off runs nothing", func(t *testing.T) {
		c.t, c.shop.T = t, t
		asked := c.shop.Requests.Load()
		text := scriptText(t, "setup.sh")
		first := strings.Index(text, "\n{ ") + len("\n{ ")
		out := c.box.Run("bash", "-c", fmt.Sprintf(`cd /root; export %s
			for n in $(seq %d 97 %d) %d; do head -c $n setup.sh | bash >out 2>&1 && echo "$n bytes are enough: $(cat out)"; done; true`,
			strings.Join(variables(), " "), first, len(text)-2, len(text)-2))
		require.Empty(t, out)
		require.Equal(t, asked, c.shop.Requests.Load(), "it asked the controller")
		c.untouched(fresh)
	})
}
