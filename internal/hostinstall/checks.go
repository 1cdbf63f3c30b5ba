package hostinstall

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// maxSocket is what fits into a socket address, with room for the programs' own.
const maxSocket = 99

var address = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):([0-9]{1,5})$`)

func goodAddress(s string) bool {
	m := address.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	port, err := strconv.Atoi(m[3])
	return err == nil && port > 0 && port <= 65535
}

// checkController looks at what is necessary to ask the controller.
func (i *Installer) checkController(f *faults) {
	v := i.vars
	if v.ControllerAddr == "" {
		f.add("CONTROLLER_ADDR: is missing: the controller's host:port, usually port 8443")
	} else if !goodAddress(v.ControllerAddr) {
		f.add("CONTROLLER_ADDR: must be host:port, is %q", v.ControllerAddr)
	}
	var err error
	if i.td, err = spiffeid.TrustDomainFromString(v.TrustDomain); err != nil || len(v.TrustDomain) > 255 {
		f.add("TRUST_DOMAIN: must be a SPIFFE trust domain such as mycorp.internal, is %q", v.TrustDomain)
	}
	i.checkCA(f)
}

// checkVariables looks at what was given.
func (i *Installer) checkVariables(f *faults) {
	v := i.vars
	i.checkController(f)
	if id := i.id(); id == "" {
		f.add("%s: is missing: the id that the enrollment token was made for", i.role.idKey())
	} else if err := identity.ValidateID(id); err != nil {
		f.add("%s: must be 1 to 63 characters of a-z, 0-9 and '-', starting with a letter or digit, is %q", i.role.idKey(), id)
	}
	if v.ConnectorAddr != "" && i.role.kind == identity.KindTunneler && !goodAddress(v.ConnectorAddr) {
		f.add("CONNECTOR_ADDR: must be host:port, is %q", v.ConnectorAddr)
	}
	if v.ConnectorPrivateIP != "" && i.role.kind == identity.KindConnector {
		if _, err := netip.ParseAddr(v.ConnectorPrivateIP); err != nil {
			f.add("CONNECTOR_PRIVATE_IP: must be an IP address, is %q", v.ConnectorPrivateIP)
		}
	}
	if n, err := strconv.Atoi(v.ReadyTimeout); err != nil || n < 0 || n > 99999 {
		f.add("READY_TIMEOUT: must be a number of seconds, is %q", v.ReadyTimeout)
	}
}

// id is the one that is enrolled.
func (i *Installer) id() string {
	if i.role.kind == identity.KindTunneler {
		return i.vars.TunnelerID
	}
	return i.vars.ConnectorID
}

// checkCA wants certificates of CAs and nothing else, at least one of them not expired;
// a second one is there while the CA is replaced.
func (i *Installer) checkCA(f *faults) {
	file := i.vars.ControllerCAPath
	if file == "" {
		f.add("CONTROLLER_CA_PATH: is missing: the path of the controller's ca.crt")
		return
	}
	if _, err := bootstrap.LoadAnchors(file); err != nil {
		f.add("CONTROLLER_CA_PATH: %v", err)
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		f.add("CONTROLLER_CA_PATH: %v", err)
		return
	}
	now := time.Now()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && now.After(c.NotBefore) && now.Before(c.NotAfter) {
			return
		}
	}
	f.add("CONTROLLER_CA_PATH: the certificate in %s has expired, or this host's clock is wrong (%s)", file, now.UTC().Format(time.DateOnly))
}

// checkMachine looks at what every run needs.
func (i *Installer) checkMachine(f *faults, tools ...string) {
	if !i.host.System.Root() {
		f.add("this needs root: run it with sudo")
	}
	if info, err := os.Stat(i.host.at("/run/systemd/system")); err != nil || !info.IsDir() {
		f.add("systemd does not run on this host: see docs/install.md for a container")
	}
	tools = slices.DeleteFunc(tools, i.host.Commands.Find)
	if len(tools) > 0 {
		f.add("missing programs: %s (Debian, Ubuntu: apt-get install systemd passwd libc-bin; RHEL: dnf install systemd shadow-utils glibc-common)", strings.Join(tools, " "))
	}
}

// packaged says which tool installed a package, or nothing.
func (i *Installer) packaged(ctx context.Context, name string) string {
	if i.host.Commands.Find("dpkg-query") && i.host.ask(ctx, "dpkg-query", "-W", "-f", "${db:Status-Status}", name) == "installed" {
		return "dpkg"
	}
	if i.host.Commands.Find("rpm") && i.host.run(ctx, "rpm", "-q", name) == nil {
		return "rpm"
	}
	return ""
}

// checkPackage: what a package manager put there is the package manager's to change.
func (i *Installer) checkPackage(ctx context.Context, f *faults) {
	tool := i.packaged(ctx, i.role.program)
	if tool == "" {
		return
	}
	v := i.vars
	f.add(`%[1]s comes from a package (%[2]s) on this host, which installs, upgrades and removes it. To enroll:
      %[1]s enroll --controller-addr %[3]s --controller-ca-path %[4]s --%[5]s-id %[6]s --trust-domain %[7]s --token-file -`, i.role.program, tool, or(v.ControllerAddr, "HOST:8443"), or(v.ControllerCAPath, "ca.crt"), i.role.kind,
		or(i.id(), "ID"), v.TrustDomain)
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// ours are the files that may be in the host's directory. Another SPIRE agent has
// others.
var ours = regexp.MustCompile(`^(host\..*|bundle\.pem.*|controller-ca\.crt.*|agent\.conf.*|data|data\..*|join-token.*)$`)

// checkAgent: a SPIRE agent that is not ours is left alone, and so are its files.
func (i *Installer) checkAgent(ctx context.Context, f *faults) {
	load := i.property(ctx, agentUnit, "LoadState")
	if load != "not-found" && !strings.Contains(i.property(ctx, agentUnit, "ExecStart"), "path="+agentProgram+" ;") {
		f.add("another %s is on this host (%s: %s) and is left alone: rename or remove it, or use another host",
			agentUnit, load, i.property(ctx, agentUnit, "FragmentPath"))
	}
	i.checkOwners(ctx, f)
	if load == "not-found" && i.host.exists("/run/spire-agent") {
		f.add("/run/spire-agent belongs to a SPIRE agent that is not ours, which is not touched")
	}
	entries, err := os.ReadDir(i.host.at(hostDir))
	if err != nil && !os.IsNotExist(err) {
		f.add("%s: %v", hostDir, err)
	}
	for _, e := range entries {
		if !ours.MatchString(e.Name()) {
			f.add("%s holds %s, which is not ours: another SPIRE agent's data is not touched", hostDir, e.Name())
		}
	}
	if user := strings.Split(i.host.ask(ctx, "getent", "passwd", agentUser), ":"); len(user) > 5 && user[5] != hostDir {
		f.add("the user %s (home %s) belongs to another SPIRE agent, which is not touched", agentUser, user[5])
	}
}

func (i *Installer) checkOwners(ctx context.Context, f *faults) {
	for _, path := range []string{hostDir, "/run/spire-agent"} {
		info, err := os.Lstat(i.host.at(path))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			f.add("%s: %v", path, err)
			continue
		}
		owner, _, _ := strings.Cut(i.host.ask(ctx, "getent", "passwd", strconv.Itoa(ownerOf(info))), ":")
		kind := "directory"
		if !info.IsDir() {
			kind = "no directory"
		}
		ok := info.IsDir() && (owner == agentUser || path == hostDir && ownerOf(info) == os.Geteuid())
		if !ok {
			f.add("%s belongs to something else (%s %s) and is not touched", path, or(owner, strconv.Itoa(ownerOf(info))), kind)
		}
	}
}

// property is what systemd shows of a unit; empty where it has none to show.
func (i *Installer) property(ctx context.Context, unit, name string) string {
	_, value, _ := strings.Cut(i.host.ask(ctx, "systemctl", "show", "-p", name, unit), "=")
	return value
}

// trustDomain is that of the host's enrollment, empty before it.
func (i *Installer) trustDomain() (string, error) {
	text, err := i.host.read(hostDir + "/host.json")
	if err != nil || text == "" {
		return "", err
	}
	var host struct {
		TrustDomain string `json:"trust_domain"`
	}
	if err := json.Unmarshal([]byte(text), &host); err != nil {
		return "", fmt.Errorf("%s/host.json cannot be read: %w", hostDir, err)
	}
	return host.TrustDomain, nil
}

// checkPaths: what an operator wrote into the settings that no program can use.
func (i *Installer) checkPaths(f *faults, conf, agent string) {
	for _, c := range [][2]string{{i.role.conf, conf}, {agentConf, agent}} {
		file, text := c[0], c[1]
		if err := envfile.Check(text); err != nil {
			f.add("%s: %v", file, err)
		}
		if at := envfile.Value(text, "SPIFFE_ENDPOINT_SOCKET"); at != "" {
			path, err := mtls.SocketPath(at)
			if err != nil {
				f.add("%s: SPIFFE_ENDPOINT_SOCKET: %v", file, err)
			} else if len(path) > maxSocket {
				f.add("%s: SPIFFE_ENDPOINT_SOCKET: the path of the socket has %d bytes, and %d is the most", file, len(path), maxSocket)
			}
		}
		for _, key := range []string{"STATE_DIR", "HOST_DIR"} {
			if dir := envfile.Value(text, key); dir != "" && (!filepath.IsAbs(dir) || strings.ContainsAny(dir, " \t\"'")) {
				f.add("%s: %s: must be an absolute path without spaces and quotes, is %q", file, key, dir)
			}
		}
	}
}

// checkPorts: a program that cannot listen would restart for ever after its token was
// spent. One that runs has its ports itself.
func (i *Installer) checkPorts(ctx context.Context, f *faults, conf string) {
	if i.property(ctx, i.role.unit, "ActiveState") == "active" {
		return
	}
	for _, p := range []struct{ key, addr string }{{"LISTEN_ADDR", i.role.listen}, {"HEALTH_ADDR", i.role.health}} {
		addr := or(envfile.Value(conf, p.key), p.addr)
		if p.addr == "" || addr == "" {
			continue
		}
		if err := i.host.System.Listen(ctx, addr); err != nil {
			_, port, _ := net.SplitHostPort(addr)
			f.add("%s cannot listen at %s: %v: stop what listens there (ss -ltnp 'sport = :%s' shows it), or set %s in %s", i.role.program, addr, err, port, p.key, i.role.conf)
		}
	}
}
