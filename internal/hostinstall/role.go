package hostinstall

import (
	"path/filepath"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Where things are on a host. docs/install.md lists them for people.
const (
	agentPackage = "grpc-spire-agent"
	agentUnit    = "spire-agent.service"
	agentUser    = "spire-agent"
	agentDir     = "/usr/lib/grpc-spire-agent"
	agentProgram = agentDir + "/host-agent"
	agentConf    = "/etc/grpc-spire-agent/agent.conf"
	hostDir      = hostprogram.DefaultHostDir
	// pinnedKey is the release key that was seen first.
	pinnedKey = "/etc/grpc-spire-agent/release.pub"
	// madeFile notes what was made beside files, as the packages do: what was made here
	// may be removed.
	madeFile = "/var/lib/misc/grpc-spire-agent.made"
	units    = "/etc/systemd/system"
)

// role is what is installed.
type role struct {
	kind          identity.Kind
	program, unit string
	conf          string
	other         string // the program of the other role
	otherConf     string
	health        string // default addresses
	listen        string // empty for none
}

func roleOf(kind identity.Kind) role {
	connector := role{
		kind: identity.KindConnector, program: "grpcconnector", unit: "grpcconnector.service", conf: "/etc/grpcconnector/connector.conf",
		health: "127.0.0.1:9465", listen: "0.0.0.0:9443",
	}
	tunneler := role{
		kind: identity.KindTunneler, program: "grpctunneler", unit: "grpctunneler.service", conf: "/etc/grpctunneler/tunneler.conf", health: "127.0.0.1:9466",
	}
	connector.other, connector.otherConf = tunneler.program, tunneler.conf
	tunneler.other, tunneler.otherConf = connector.program, connector.conf
	if kind == identity.KindTunneler {
		return tunneler
	}
	return connector
}

// binary is where the program is. SPIRE knows it by this path.
func (r role) binary() string { return "/usr/bin/" + r.program }

// idKey is the variable of the id.
func (r role) idKey() string { return strings.ToUpper(string(r.kind)) + "_ID" }

// pack is an archive of the controller, and what of it is on a host.
type pack struct{ name string }

// patterns are what its archive may hold, and what removing it removes. A star stands
// for no slash.
func (p pack) patterns() []string {
	doc := "/usr/share/doc/" + p.name + "/*"
	if p.name == agentPackage {
		return []string{
			agentProgram, agentDir + "/spire-agent", units + "/" + agentUnit, "/usr/lib/sysusers.d/" + p.name + ".conf",
			"/usr/lib/tmpfiles.d/" + p.name + ".conf", "/usr/share/man/man8/host-agent*.8.gz", doc,
		}
	}
	return []string{
		"/usr/bin/" + p.name, units + "/" + p.name + ".service", "/usr/share/man/man8/" + p.name + "*.8.gz",
		"/usr/share/bash-completion/completions/" + p.name, "/usr/share/zsh/vendor-completions/_" + p.name,
		"/usr/share/fish/vendor_completions.d/" + p.name + ".fish", doc,
	}
}

// holds says whether a path has a place in the archive.
func (p pack) holds(path string) bool {
	for _, pattern := range p.patterns() {
		if ok, err := filepath.Match(pattern, path); ok && err == nil {
			return true
		}
	}
	return false
}

// program is the one whose version is that of the package.
func (p pack) program() string {
	if p.name == agentPackage {
		return agentProgram
	}
	return "/usr/bin/" + p.name
}

// example is the conf file that a new host begins with.
func (p pack) example(conf string) string {
	return "/usr/share/doc/" + p.name + "/" + filepath.Base(conf)
}
