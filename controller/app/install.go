package app

import (
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/install"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// installer writes what an operator pastes on a new host, as root or as somebody who
// may use sudo. Each command carries the bootstrap CA, so that the host trusts this
// controller and nobody else from the first byte on; each is one subshell, which leaves
// neither files nor variables behind, and ends when the host is ONLINE.
type installer struct {
	trustDomain spiffeid.TrustDomain
	enrollAt    func() string // host:port of the enrollment listener, as hosts reach it; empty while that is not known
	ca          []byte        // PEM
	scripts     bool          // there is an install tree with them
}

// The ways to hand a token over, as the API calls them.
const (
	formStdin       = "stdin"       // the script asks for it
	formEnvironment = "environment" // it is in the command
	formProgram     = "program"     // for a host that has the program
	formFile        = "file"        // so too
	formSealed      = "sealed"
	formClaim       = "claim"
)

const inHistory = "the token stays in the shell's history and, with sudo, in sudo's log; all users can see it among sudo's arguments (ps) until the command ends"

// tokenFile is in memory only, and gone after a reboot.
const tokenFile = "/run/enrollment-token"

// commands are the best first. Where it can, the token goes over standard input:
// not in argv, not in the environment of a process, not in a file. There is none
// without an address: it could only be a wrong one.
func (i installer) commands(t enroll.Token, handed string) []adminapi.InstallCommand {
	at := i.enrollAt()
	if at == "" {
		return []adminapi.InstallCommand{}
	}
	i.enrollAt = func() string { return at } // one address in all of them
	w := t.Workload
	installed := func(form, command, warning string) adminapi.InstallCommand {
		return adminapi.InstallCommand{Form: form, Command: command, Warning: warning, Requires: i.requires(w.Kind)}
	}
	switch {
	case t.Delivery == enroll.Sealed:
		return []adminapi.InstallCommand{installed(formSealed, i.enroll(w, "--sealed -"+here("SEALED", handed)), "")}
	case t.Delivery == enroll.ByClaim && i.scripts:
		return []adminapi.InstallCommand{{
			Form: formClaim, Command: i.script(w), Warning: "open the link first; the command asks for the token that it shows",
		}}
	case t.Delivery == enroll.ByClaim:
		return []adminapi.InstallCommand{installed(formClaim, i.enroll(w, "--token-file -"),
			"open the link first, then paste the token that it shows and press Enter")}
	}
	program := []adminapi.InstallCommand{
		installed(formProgram, i.enroll(w, "--token-file -"+here("TOKEN", handed)), ""),
		installed(formFile, i.enroll(w, "--token-file "+tokenFile),
			"write the token to "+tokenFile+" first, readable by root only, and remove the file afterwards"),
	}
	if !i.scripts {
		return append(program, installed(formEnvironment, i.enroll(w, "", variable(enrollclient.TokenEnv, handed)), inHistory))
	}
	return append([]adminapi.InstallCommand{
		{Form: formStdin, Command: i.script(w)},
		{Form: formEnvironment, Command: i.script(w, variable(enrollclient.TokenEnv, handed)), Warning: inHistory},
	}, program...)
}

// enrollment is what a host needs that asks to be enrolled without a token, by its own
// name.
func (i installer) enrollment() adminapi.Enrollment {
	at := i.enrollAt()
	out := adminapi.Enrollment{
		Address: at, TrustDomain: i.trustDomain.Name(), CA: string(i.ca), CAFingerprint: fingerprint(i.ca), RequestCommands: []adminapi.RequestCommand{},
	}
	if at == "" {
		return out
	}
	i.enrollAt = func() string { return at }
	// Whatever answers is believed only by the fingerprint that is compared.
	out.FetchCommand = fmt.Sprintf("curl -fsS --noproxy '*' --insecure -o ca.crt %s &&\nopenssl x509 -in ca.crt -noout -fingerprint -sha256", quote("https://"+at+install.CAPath))
	for _, kind := range []identity.Kind{identity.KindConnector, identity.KindTunneler} {
		w := identity.Workload{Kind: kind}
		out.RequestCommands = append(out.RequestCommands, adminapi.RequestCommand{
			Kind: string(kind), Command: i.enroll(w, `--request --id "$(hostname -s)"`), Requires: i.requires(kind),
		})
	}
	return out
}

// fingerprint is SHA-256 over a certificate, as openssl and browsers print it.
func fingerprint(certificate []byte) string {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	var pairs []string
	for _, b := range sum {
		pairs = append(pairs, fmt.Sprintf("%02X", b))
	}
	return strings.Join(pairs, ":")
}

// requires says what has to be on the host before the command, and how it gets there.
func (i installer) requires(k identity.Kind) string {
	text := fmt.Sprintf("grpc%s must be installed on the host, with the packages grpc-spire-agent and grpc%s", k, k)
	if i.scripts {
		return text
	}
	return text + "; this controller has no install tree (install_dir) for a command that installs them too"
}

// script fetches the script and runs it, which asks for the token if it is not among
// the variables. It is no pipe, for a shell that gets nothing through one, because there
// is no curl or no such file, ends as if all were well.
func (i installer) script(w identity.Workload, more ...string) string {
	name := scriptOf(w.Kind)
	return i.paste(i.curl(name, `-o "$d/`+name+`" `) + " &&\n" + i.asRoot(w, more...) + ` bash "$d/` + name + `"`)
}

// enroll is for a host that has the program.
func (i installer) enroll(w identity.Workload, how string, more ...string) string {
	return i.paste(i.asRoot(w, more...) + strings.TrimRight(fmt.Sprintf(" \\\n  grpc%s enroll %s", w.Kind, how), " "))
}

// paste runs a command with the CA in a directory that is the caller's alone, "$d".
func (i installer) paste(command string) string {
	return `(as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo "$@"; fi; }
d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT HUP INT TERM && cat >"$d/ca.crt" <<'CA' &&
` + strings.TrimSuffix(string(i.ca), "\n") + "\nCA\n" + command + "\n)"
}

// curl connects to where this controller is, under the one name that its certificate
// has, and through no proxy. Without --capath, Debian's curl would trust the CAs of the
// system beside the given one; "$d" holds no certificate by the name that --capath
// looks for.
func (i installer) curl(name, options string) string {
	host := identity.EnrollServerName(i.trustDomain) + ":8443"
	return fmt.Sprintf(`curl -fsSL --noproxy '*' --proto '=https' --cacert "$d/ca.crt" --capath "$d" --connect-to %s %s%s`,
		quote(host+":"+i.enrollAt()), options, quote("https://"+host+install.Prefix+name))
}

// asRoot is a command's beginning; without an id, the command names it.
func (i installer) asRoot(w identity.Workload, more ...string) string {
	vars := []string{variable("CONTROLLER_ADDR", i.enrollAt())}
	if w.ID != "" {
		vars = append(vars, variable(strings.ToUpper(string(w.Kind))+"_ID", w.ID))
	}
	vars = append(vars, variable("TRUST_DOMAIN", i.trustDomain.Name()))
	return "as_root " + strings.Join(append(vars, more...), " ") + ` CONTROLLER_CA_PATH="$d/ca.crt"`
}

func scriptOf(k identity.Kind) string {
	if k == identity.KindTunneler {
		return "tunneler-setup.sh"
	}
	return "setup.sh"
}

// here is a here-document, in which the shell expands nothing.
func here(end, text string) string {
	return " <<'" + end + "'\n" + strings.TrimSuffix(text, "\n") + "\n" + end
}

func variable(name, value string) string { return name + "=" + quote(value) }

// plain is what means itself between double quotes in any shell.
var plain = regexp.MustCompile(`^[A-Za-z0-9._:/\[\]-]*$`)

// quote makes one word of a value that is valid already, and of any other, so that
// the command never depends on a check that is made elsewhere.
func quote(value string) string {
	if plain.MatchString(value) {
		return `"` + value + `"`
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// describeTree says for a human what new hosts are installed from.
func describeTree(dir string) string {
	tree, err := install.OpenTree(dir)
	switch {
	case errors.Is(err, install.ErrNoTree):
		return "none at " + dir + " (install_dir): hosts are installed by package"
	case err != nil:
		return "not served, " + err.Error()
	default:
		return fmt.Sprintf("%s, version %s for %s", dir, tree.Version(), strings.Join(tree.Platforms(), ", "))
	}
}
