package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

func (x *examination) conf(context.Context) []Finding {
	info, err := os.Stat(x.Conf)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Bad(Fault, "enroll this host, which writes it (`"+x.Program+" enroll --help`), or name another file with --config", "%s does not exist", x.Conf)
	case err != nil:
		return Bad(Fault, "let every user read it (chmod 0644) and enter its directory (chmod 0755): it holds no secret", "%s", without(x.Conf, err))
	case errors.Is(x.ConfFault, fs.ErrPermission):
		return Bad(Fault, "let every user read it (chmod 0644): it holds no secret", "%s", without(x.Conf, x.ConfFault))
	case x.ConfFault != nil:
		return Bad(Fault, "correct these keys, then look again with `"+x.Program+" check-config --config "+x.Conf+"`", "%s: %v", x.Conf, x.ConfFault)
	case info.Mode().Perm()&0o002 != 0:
		return Bad(Fault, "chmod 0644 "+x.Conf, "%s can be changed by every user", x.Conf)
	}
	// systemd passes over lines that it does not understand, and nobody else reads this one.
	if text, err := os.ReadFile(x.AgentConf); err == nil {
		if err := envfile.Check(string(text)); err != nil {
			return Bad(Fault, "correct the line, then `systemctl restart "+agentUnitName+"`", "%s: %v", x.AgentConf, err)
		}
	}
	return Good("%s is readable and valid: %s %s in %s", x.Conf, x.Kind, x.ID, x.TrustDomain)
}

// token looks at the form of a token that was given. It is not sent: only one host
// can spend it.
func (x *examination) token(context.Context) []Finding {
	if x.Token == nil {
		return Unseen("no token was given: --token-file FILE checks the form of a token without sending it")
	}
	text, err := x.Token()
	if err != nil {
		return Bad(Fault, "check the path given with --token-file", "the token cannot be read%s", because(err))
	}
	text = strings.TrimSpace(text)
	for _, other := range []identity.Kind{identity.KindConnector, identity.KindTunneler} {
		if other != x.Kind && strings.HasPrefix(text, other.TokenPrefix()) {
			return Bad(Fault, "ask for a token for a "+string(x.Kind)+", or enroll with grpc"+string(other), "the token is for a %s, not for a %s", other, x.Kind)
		}
	}
	if err := keys.CheckSecret(x.Kind.TokenPrefix(), text); err != nil {
		// The error quotes the prefix that was expected, never the token.
		return Bad(Fault, "copy it again, all of it and nothing else", "the token %v", err)
	}
	return Good("the token has the right form and checksum; only the controller knows whether it is spent or expired")
}

// leftover looks for a token that nobody needs any more where the unit that enrolls
// a host takes it from.
func (x *examination) leftover(context.Context) []Finding {
	path := filepath.Join(filepath.Dir(x.Conf), "enrollment-token")
	if _, err := os.Lstat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Good("no enrollment token is left at %s", path)
		}
		return Unseen("%v: run doctor as root to look at it", err)
	}
	if x.enrollment.HostID == "" && x.program == nil {
		return Good("%s waits for %s-enroll.service", path, x.Program)
	}
	return Bad(Warning, "remove it: rm -f "+path, "this host is enrolled and %s is still there", path)
}
