package hostinstall_test

import (
	"archive/tar"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostinstall"
)

// wrong is a way to get it wrong.
type wrong struct {
	host func(h *fakeHost)           // what is wrong with the host, before
	call func(c *hostinstall.Config) // what is wrong with the call
	want string                      // what is said
	code int                         // 2: nothing was begun; 1: it failed
}

// TestEveryWayToGetItWrongLeavesTheHostAsItWas and says what is wrong, once.
func TestEveryWayToGetItWrongLeavesTheHostAsItWas(t *testing.T) {
	t.Parallel()
	all := map[string]wrong{}
	for _, group := range []map[string]wrong{wrongCalls(), wrongTokens(), wrongHosts(), wrongControllers()} {
		for name, w := range group {
			require.NotContains(t, all, name)
			all[name] = w
		}
	}
	require.Greater(t, len(all), 40)
	for name, w := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHost(t)
			if w.host != nil {
				w.host(h)
			}
			before := h.tree()
			out, code := h.run(func(c *hostinstall.Config) {
				if w.call != nil {
					w.call(c)
				}
			})
			require.Equal(t, w.code, code, out)
			require.Contains(t, out, w.want)
			messages := 0
			for line := range strings.Lines(out) {
				if strings.HasPrefix(line, "grpcconnector: ") && !strings.HasPrefix(line, "grpcconnector: note: ") {
					messages++
				}
			}
			require.Equal(t, 1, messages, out)
			require.Empty(t, cmp.Diff(before, h.tree()), "the host is not as it was")
		})
	}
}

func vars(f func(v *hostinstall.Variables)) func(c *hostinstall.Config) {
	return func(c *hostinstall.Config) { f(&c.Variables) }
}

func wrongCalls() map[string]wrong {
	out := map[string]wrong{
		"no address":             {nil, vars(func(v *hostinstall.Variables) { v.ControllerAddr = "" }), "CONTROLLER_ADDR: is missing", 2},
		"no id":                  {nil, vars(func(v *hostinstall.Variables) { v.ConnectorID = "" }), "CONNECTOR_ID: is missing", 2},
		"an id in capitals":      {nil, vars(func(v *hostinstall.Variables) { v.ConnectorID = "GW" }), "CONNECTOR_ID: must be 1 to 63", 2},
		"an id with a path":      {nil, vars(func(v *hostinstall.Variables) { v.ConnectorID = "a/b" }), "CONNECTOR_ID: must be 1 to 63", 2},
		"no trust domain":        {nil, vars(func(v *hostinstall.Variables) { v.TrustDomain = "A!" }), "TRUST_DOMAIN: must be", 2},
		"a name for an IP":       {nil, vars(func(v *hostinstall.Variables) { v.ConnectorPrivateIP = "here" }), "CONNECTOR_PRIVATE_IP: must be", 2},
		"a timeout in words":     {nil, vars(func(v *hostinstall.Variables) { v.ReadyTimeout = "soon" }), "READY_TIMEOUT: must be", 2},
		"a timeout in the past":  {nil, vars(func(v *hostinstall.Variables) { v.ReadyTimeout = "-1" }), "READY_TIMEOUT: must be", 2},
		"no CA":                  {nil, vars(func(v *hostinstall.Variables) { v.ControllerCAPath = "" }), "CONTROLLER_CA_PATH: is missing", 2},
		"a CA that is not there": {nil, vars(func(v *hostinstall.Variables) { v.ControllerCAPath = "/nonexistent" }), "/nonexistent", 2},
		"a directory for the CA": {nil, vars(func(v *hostinstall.Variables) { v.ControllerCAPath = "/" }), "is a directory", 2},
		"a private key for the CA": {
			func(h *fakeHost) {
				h.write("/root/ca.crt", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n")
			}, nil, `holds a "PRIVATE KEY" block`, 2,
		},
		"a text for the CA": {func(h *fakeHost) { h.write("/root/ca.crt", "no certificate\n") }, nil, "holds no CA certificate in PEM", 2},
		"a leaf for the CA": {func(h *fakeHost) { h.certificate(&x509.Certificate{}) }, nil, "is not a CA certificate", 2},
		"an expired CA": {func(h *fakeHost) {
			h.certificate(&x509.Certificate{IsCA: true, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
		}, nil, "has expired, or this host's clock is wrong", 2},
		"a CA of the future": {func(h *fakeHost) {
			h.certificate(&x509.Certificate{IsCA: true, NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour)})
		}, nil, "this host's clock is wrong", 2},
	}
	for name, addr := range map[string]string{
		"a port too high": "ctl:65536", "port 0": "ctl:0", "no port": "ctl", "a path": "ctl:8443/x", "an option": "--help:1", "an IPv6 address without brackets": "::1:8443",
		"a space": "ctl: 8443", "a URL": "https://ctl:8443", "two addresses": "a:1,b:2",
	} {
		out["an address with "+name] = wrong{nil, vars(func(v *hostinstall.Variables) { v.ControllerAddr = addr }), "CONTROLLER_ADDR: must be host:port", 2}
	}
	return out
}

// certificate replaces the CA that is given.
func (h *fakeHost) certificate(template *x509.Certificate) {
	c := h.shop.CA.Certificate(h.t, template)
	h.write("/root/ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})))
}

func wrongTokens() map[string]wrong {
	token := func(s string) func(c *hostinstall.Config) { return func(c *hostinstall.Config) { c.Token = s } }
	return map[string]wrong{
		"no token":                         {nil, token(""), "ENROLLMENT_TOKEN: is missing", 2},
		"a token of a tunneler":            {nil, token("ztt_" + goodToken[4:]), "begins with ztc_", 2},
		"a token with a typing mistake":    {nil, token(strings.Replace(goodToken, "u333", "u334", 1)), "has a typing mistake", 2},
		"a token that was cut":             {nil, token(goodToken[:30]), "has the wrong length", 2},
		"a token file that is not there":   {nil, func(c *hostinstall.Config) { c.Token, c.Variables.TokenFile = "", "/nonexistent" }, "ENROLLMENT_TOKEN_FILE: /nonexistent", 2},
		"a token file that is empty":       {nil, func(c *hostinstall.Config) { c.Token, c.Variables.TokenFile = "", "/dev/null" }, "ENROLLMENT_TOKEN: is missing", 2},
		"something else on standard input": {nil, func(c *hostinstall.Config) { c.Token, c.Stdin = "", strings.NewReader("#!/bin/bash\n") }, "begins with ztc_", 2},
	}
}

func wrongHosts() map[string]wrong {
	host := func(want string, code int, f func(h *fakeHost)) wrong { return wrong{f, nil, want, code} }
	const unit = "/etc/systemd/system/spire-agent.service"
	return map[string]wrong{
		"not root":                        host("run it with sudo", 2, func(h *fakeHost) { h.notRoot = true }),
		"no systemd":                      host("systemd does not run on this host", 2, func(h *fakeHost) { require.NoError(h.t, os.Remove(h.at("/run/systemd/system"))) }),
		"missing programs":                host("missing programs: systemd-sysusers userdel", 2, func(h *fakeHost) { h.missing["userdel"], h.missing["systemd-sysusers"] = true, true }),
		"a package":                       host("comes from a package (dpkg)", 2, func(h *fakeHost) { h.packages["grpcconnector"] = true }),
		"another agent's unit":            host("another spire-agent.service is on this host", 2, func(h *fakeHost) { h.write(unit, "[Service]\nExecStart=/bin/sleep 600\n") }),
		"a masked unit":                   host("another spire-agent.service is on this host (masked", 2, func(h *fakeHost) { require.NoError(h.t, os.Symlink("/dev/null", h.at(unit))) }),
		"another agent's socket":          host("/run/spire-agent belongs to", 2, func(h *fakeHost) { require.NoError(h.t, os.Mkdir(h.at("/run/spire-agent"), 0o755)) }),
		"a link for the host's directory": host("/var/lib/spire-agent belongs to something else", 2, func(h *fakeHost) { require.NoError(h.t, os.Symlink("/root", h.at("/var/lib/spire-agent"))) }),
		"another agent's data":            host("which is not ours", 2, func(h *fakeHost) { h.write("/var/lib/spire-agent/svid.key", "x") }),
		"another agent's user": host("(home /opt/spire) belongs to another SPIRE agent", 2, func(h *fakeHost) {
			h.write("/etc/passwd", h.read("/etc/passwd")+"spire-agent:x:990:65534::/opt/spire:/usr/sbin/nologin\n")
		}),
		"another trust domain": host(`is enrolled in trust domain "other.internal"`, 2, func(h *fakeHost) { h.write("/var/lib/spire-agent/host.json", `{"trust_domain": "other.internal"}`) }),
		"a broken host.json":   host("host.json cannot be read", 2, func(h *fakeHost) { h.write("/var/lib/spire-agent/host.json", "{") }),
		"a conf for another id": host(`says CONNECTOR_ID=other, and here it is "gw": use that value, or -f`, 2, func(h *fakeHost) {
			h.write("/etc/grpcconnector/connector.conf", "CONNECTOR_ID=other\n")
		}),
		"a conf for another controller": host("says CONTROLLER_ADDR=other:8443", 2, func(h *fakeHost) { h.write("/etc/grpcconnector/connector.conf", "CONTROLLER_ADDR=other:8443\n") }),
		"a conf that is a directory":    host("is not a small file", 2, func(h *fakeHost) { require.NoError(h.t, os.MkdirAll(h.at("/etc/grpcconnector/connector.conf"), 0o755)) }),
		"a socket path of 100 bytes": host("has 100 bytes, and 99 is the most", 2, func(h *fakeHost) {
			h.write("/etc/grpc-spire-agent/agent.conf", "SPIFFE_ENDPOINT_SOCKET=unix:///"+strings.Repeat("s", 99)+"\n")
		}),
		"a socket that is no path": host("must be of the form unix:///", 2, func(h *fakeHost) { h.write("/etc/grpcconnector/connector.conf", "SPIFFE_ENDPOINT_SOCKET=tcp://x\n") }),
		"a state directory with a space": host("STATE_DIR: must be an absolute path without spaces", 2, func(h *fakeHost) {
			h.write("/etc/grpcconnector/connector.conf", "STATE_DIR=\"/var/lib/a b\"\n")
		}),
		"port 9443 in use": host("cannot listen at 0.0.0.0:9443: address already in use", 2, func(h *fakeHost) { h.taken["0.0.0.0:9443"] = syscall.EADDRINUSE }),
		"port 9465 in use": host("set HEALTH_ADDR in", 2, func(h *fakeHost) { h.taken["127.0.0.1:9465"] = syscall.EADDRINUSE }),
		"the port of the conf in use": host("cannot listen at 10.0.0.1:99", 2, func(h *fakeHost) {
			h.write("/etc/grpcconnector/connector.conf", "LISTEN_ADDR=10.0.0.1:99\n")
			h.taken["10.0.0.1:99"] = syscall.EADDRINUSE
		}),
		"a read-only /usr":                      host("cannot write in /usr/bin, /usr/lib, /usr/lib/sysusers.d, /usr/lib/tmpfiles.d, /usr/share: read-only file system", 2, func(h *fakeHost) { h.readOnly["/usr"] = syscall.EROFS }),
		"a read-only /etc":                      host("/etc/systemd/system: read-only file system", 2, func(h *fakeHost) { h.readOnly["/etc"] = syscall.EROFS }),
		"a read-only /var":                      host("cannot write in /var/lib: read-only file system", 2, func(h *fakeHost) { h.readOnly["/var"] = syscall.EROFS }),
		"a full disk":                           host("no space: the file system of ", 2, func(h *fakeHost) { h.space = 100 << 10 }),
		"a directory where the program belongs": host("/usr/bin/grpcconnector is a directory", 2, func(h *fakeHost) { require.NoError(h.t, os.Mkdir(h.at("/usr/bin/grpcconnector"), 0o755)) }),
		"a file where a directory belongs":      host("/usr/lib/grpc-spire-agent is in the way", 2, func(h *fakeHost) { h.write("/usr/lib/grpc-spire-agent", "x") }),
		"a link that leads nowhere":             host("/usr/lib/grpc-spire-agent is in the way", 2, func(h *fakeHost) { require.NoError(h.t, os.Symlink("/none", h.at("/usr/lib/grpc-spire-agent"))) }),
		"another setup":                         host("another setup runs on this host", 2, func(h *fakeHost) { h.t.Cleanup(h.hold(lockFile)) }),
		"a link for the lock":                   host("too many levels of symbolic links", 1, func(h *fakeHost) { require.NoError(h.t, os.Symlink("/root/ca.crt", h.at(lockFile))) }),
		"another release key": host("run this again with --accept-release-key", 1, func(h *fakeHost) {
			h.write("/etc/grpc-spire-agent/release.pub", string(controltest.ReleasePublicPEM(h.t, controltest.NewReleaseKey(h.t))))
		}),
		"a broken release key": host("release.pub cannot be read", 1, func(h *fakeHost) { h.write("/etc/grpc-spire-agent/release.pub", "x") }),
	}
}

func wrongControllers() map[string]wrong {
	out := map[string]wrong{
		"nobody at the address":    {nil, vars(func(v *hostinstall.Variables) { v.ControllerAddr = "127.0.0.1:1" }), "no connection to 127.0.0.1:1", 1},
		"a trust domain of others": {nil, vars(func(v *hostinstall.Variables) { v.TrustDomain = "other.internal" }), "check CONTROLLER_ADDR, CONTROLLER_CA_PATH and TRUST_DOMAIN", 1},
		"a CA of another controller": {func(h *fakeHost) {
			h.write("/root/ca.crt", otherCA(h.t))
		}, nil, "is not the one of ", 1},
		"a version that is none":                                            {func(h *fakeHost) { h.shop.Files["VERSION"] = []byte("$(id)\n"); h.shop.Sign() }, nil, "is not a version", 1},
		"a version that the signed checksums do not name":                   {func(h *fakeHost) { h.shop.Files["VERSION"] = []byte("v0.0.1\n") }, nil, "VERSION is not the file that the signed checksums name", 1},
		"an enrollment that is refused":                                     {func(h *fakeHost) { h.enroll = func([]string, string) int { return 3 } }, nil, "the host is not enrolled. Everything is as it was.", 1},
		"an enrollment with an answer that got lost, before there is a key": {func(h *fakeHost) { h.enroll = func([]string, string) int { return 1 } }, nil, "Everything is as it was.", 1},
	}
	const noRelease = "grpcconnector.tar.gz is not an archive of a release"
	out["an archive that unpacks to more than there is room for"] = wrong{nil, func(c *hostinstall.Config) { c.MaxUnpacked = 4<<10 - 1 }, noRelease, 1}
	out["an archive of zeros, which is small until it is unpacked"] = wrong{func(h *fakeHost) {
		stock(h, controltest.ArchiveEntry{Name: "usr/share/doc/grpcconnector/zeros", Text: strings.Repeat("\x00", 1<<20)})
	}, func(c *hostinstall.Config) { c.MaxUnpacked = 1 << 20 }, noRelease, 1}
	directories, files := make([]controltest.ArchiveEntry, 4096), make([]controltest.ArchiveEntry, 300)
	for n := range directories {
		directories[n] = controltest.ArchiveEntry{Name: "usr/bin", Kind: tar.TypeDir}
	}
	for n := range files {
		files[n] = controltest.ArchiveEntry{Name: fmt.Sprintf("usr/share/doc/grpcconnector/%d", n)}
	}
	out["an archive of directories alone, and too many"] = wrong{func(h *fakeHost) { stock(h, directories...) }, func(c *hostinstall.Config) { c.MaxUnpacked = 1 << 20 }, noRelease, 1}
	out["an archive of too many files"] = wrong{func(h *fakeHost) { stock(h, files...) }, nil, noRelease, 1}
	out["an archive that has its program twice"] = wrong{func(h *fakeHost) { stock(h, controltest.ConnectorFiles("exit 4")[0]) }, nil, noRelease, 1}
	for name, f := range controltest.Spoilt() {
		want := f.Want
		if name == "an archive without the program" {
			want = "lacks the program or its unit"
		}
		out["a controller with "+name] = wrong{func(h *fakeHost) { f.Spoil(h.shop) }, nil, want, 1}
	}
	return out
}

// stock offers a connector whose signed archive holds more than it should.
func stock(h *fakeHost, more ...controltest.ArchiveEntry) {
	h.shop.Put(controltest.ConnectorTar, append(controltest.ConnectorFiles("exit 3"), more...)...)
	h.shop.Sign()
}

// otherCA is made by another tool.
func otherCA(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null",
		"-subj", "/CN=other", "-days", "2").Output()
	require.NoError(t, err)
	return string(out)
}
