package app

import (
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

// installer writes what an operator pastes on a new host. Each command carries the
// bootstrap CA, so that the host trusts this controller and nobody else from the
// first byte on.
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

const inHistory = "the token stays in the shell's history and in sudo's log"

// commands are the best first. Where it can, the token goes over standard input:
// not in argv, not in the environment of a process, not in a file. There is none
// without an address: it could only be a wrong one.
func (i installer) commands(t enroll.Token, handed string) []adminapi.InstallCommand {
	at := i.enrollAt()
	if at == "" {
		return []adminapi.InstallCommand{}
	}
	i.enrollAt = func() string { return at } // one address in all of them
	switch {
	case t.Delivery == enroll.Sealed:
		return []adminapi.InstallCommand{{Form: formSealed, Command: i.enroll(t.Workload, "--sealed -"+here("SEALED", handed))}}
	case t.Delivery == enroll.ByClaim && i.scripts:
		return []adminapi.InstallCommand{{
			Form: formClaim, Command: i.script(t.Workload),
			Warning: "open the link first; the command asks for the token that it shows",
		}}
	case t.Delivery == enroll.ByClaim:
		return []adminapi.InstallCommand{{
			Form: formClaim, Command: i.enroll(t.Workload, "--token-file -"),
			Warning: "open the link first, then paste the token that it shows and end with ctrl-d",
		}}
	}
	program := []adminapi.InstallCommand{
		{Form: formProgram, Command: i.enroll(t.Workload, "--token-file -"+here("TOKEN", handed))},
		{
			Form: formFile, Command: i.enroll(t.Workload, "--token-file /run/enrollment-token"),
			Warning: "write the token to /run/enrollment-token first, readable by root only, and remove the file afterwards",
		},
	}
	if !i.scripts {
		return append(program, adminapi.InstallCommand{
			Form: formEnvironment, Command: i.enroll(t.Workload, "", variable(enrollclient.TokenEnv, handed)), Warning: inHistory,
		})
	}
	return append([]adminapi.InstallCommand{
		{Form: formStdin, Command: i.script(t.Workload)},
		{Form: formEnvironment, Command: i.piped(t.Workload, handed), Warning: inHistory},
	}, program...)
}

// script fetches the script and runs it; it asks for the token.
func (i installer) script(w identity.Workload) string {
	name := scriptOf(w.Kind)
	return i.anchor() + i.curl(name, `-o "$d/`+name+`" `) + " &&\n" + i.sudo(w) + ` bash "$d/` + name + `"`
}

// piped is one step, and has the token in it.
func (i installer) piped(w identity.Workload, token string) string {
	return i.anchor() + i.curl(scriptOf(w.Kind), "") + " |\n  " + i.sudo(w, variable(enrollclient.TokenEnv, token)) + " bash"
}

// enroll is for a host that has the program.
func (i installer) enroll(w identity.Workload, how string, more ...string) string {
	return i.anchor() + i.sudo(w, more...) + strings.TrimRight(fmt.Sprintf(" \\\n  grpc%s enroll %s", w.Kind, how), " ")
}

// anchor writes the CA to a directory that is the caller's alone, "$d".
func (i installer) anchor() string {
	return "d=$(mktemp -d) && cat >\"$d/ca.crt\" <<'CA' &&\n" + strings.TrimSuffix(string(i.ca), "\n") + "\nCA\n"
}

// curl connects to where this controller is, under the one name that its
// certificate has. Without --capath, Debian's curl would trust the CAs of the system
// beside the given one; "$d" holds no certificate by the name that --capath looks for.
func (i installer) curl(name, options string) string {
	host := identity.EnrollServerName(i.trustDomain) + ":8443"
	return fmt.Sprintf(`curl -fsSL --proto '=https' --cacert "$d/ca.crt" --capath "$d" --connect-to %s %s%s`,
		quote(host+":"+i.enrollAt()), options, quote("https://"+host+install.Prefix+name))
}

func (i installer) sudo(w identity.Workload, more ...string) string {
	id := "CONNECTOR_ID"
	if w.Kind == identity.KindTunneler {
		id = "TUNNELER_ID"
	}
	vars := []string{variable("CONTROLLER_ADDR", i.enrollAt()), variable(id, w.ID), variable("TRUST_DOMAIN", i.trustDomain.Name())}
	return "sudo " + strings.Join(append(vars, more...), " ") + ` CONTROLLER_CA_PATH="$d/ca.crt"`
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
