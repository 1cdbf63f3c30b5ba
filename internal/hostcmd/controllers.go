package hostcmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// roleConfs are the conf files of the programs that a host can have.
func roleConfs() []string {
	return []string{"/etc/grpcconnector/connector.conf", "/etc/grpctunneler/tunneler.conf"}
}

// controllers finds the controller of an enrolled host, in the order in which an
// operator would expect it: what was configured for the agent, what the conf files of
// the host's programs say, and what enrollment noted. All of it is read anew each
// time, so that an edit needs no restart. It is not safe for concurrent use.
type controllers struct {
	dir        hostagent.Dir
	configured string   // may be empty
	confs      []string // those of other hosts, and those that are missing, are skipped

	known []string
	next  int // in known
}

// addresses of host:port, each once.
func (c *controllers) addresses(host hostagent.Host) ([]string, error) {
	candidates := []string{c.configured}
	for _, path := range c.confs {
		addr, err := controllerIn(path, c.dir)
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, addr)
	}
	var out []string
	for _, a := range append(candidates, host.ControllerAddress) {
		if a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out, nil
}

// controllerIn is CONTROLLER_ADDR of a conf file, if it is one of this host: it names
// the CA in the host's directory, as enrollment wrote it.
func controllerIn(path string, dir hostagent.Dir) (string, error) {
	text, err := atomicfile.Read(path, maxConf)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return "", nil
	case err != nil:
		return "", err
	case envfile.Value(string(text), "CONTROLLER_CA_PATH") != dir.ControllerCA():
		return "", nil
	}
	return envfile.Value(string(text), "CONTROLLER_ADDR"), nil
}

// FetchBundle asks the controller that answered last, and the next ones where it does
// not.
func (c *controllers) FetchBundle(ctx context.Context) (hostagent.Bundle, error) {
	host, err := c.dir.ReadHost()
	if err != nil {
		return hostagent.Bundle{}, err
	}
	known, err := c.addresses(host)
	if err != nil {
		return hostagent.Bundle{}, err
	}
	if !slices.Equal(known, c.known) {
		c.known, c.next = known, 0
	}
	faults := []error{}
	for range c.known {
		client, err := clientAt(c.known[c.next], host, c.dir)
		if err == nil {
			var offer enrollclient.Offer
			if offer, err = client.FetchOffer(ctx); err == nil {
				return c.follow(ctx, client, host, offer), nil
			}
		}
		faults = append(faults, err)
		c.next = (c.next + 1) % len(c.known)
		if ctx.Err() != nil {
			break
		}
	}
	if len(faults) == 0 {
		return hostagent.Bundle{}, errors.New("this host knows no controller: run set-controller, or set CONTROLLER_ADDR")
	}
	if slices.ContainsFunc(faults, another) {
		faults = append(faults, errAnother)
	}
	return hostagent.Bundle{}, errors.Join(faults...)
}

// errAnother is a hint for people. It is no statement about the host: whoever is on
// the path can answer with a certificate of another CA.
var errAnother = errors.New("another CA answers: either something on the path intercepts TLS, or the controller is a new one; " +
	"only if an operator confirms that it is new, " + hostagent.EnrollAnew)

// another says that somebody answered with a certificate of another CA.
func another(err error) bool {
	untrusted, ok := errors.AsType[*enrollclient.UntrustedError](err)
	if !ok || untrusted.Ours {
		return false
	}
	_, ok = errors.AsType[x509.UnknownAuthorityError](untrusted.Err)
	return ok
}

// clientAt calls a controller of the host's bootstrap CA, and shows it the host
// certificate where there is one that this user may use.
func clientAt(addr string, host hostagent.Host, dir hostagent.Dir) (*enrollclient.Client, error) {
	trusted, err := bootstrap.ReadAnchors(host.ControllerCAPath)
	if err != nil {
		return nil, err
	}
	anchors := x509.NewCertPool()
	for _, a := range trusted {
		anchors.AddCert(a)
	}
	return enrollclient.New(enrollclient.Config{Address: addr, Anchors: anchors, Trusted: trusted, TrustDomain: host.TrustDomain, Host: shown(dir)})
}

// shown is the host certificate with its key, nil where it cannot be used: everybody
// gets the bundle.
func shown(dir hostagent.Dir) *tls.Certificate {
	pair, err := tls.LoadX509KeyPair(dir.Certificate(), dir.Key())
	if err != nil {
		return nil
	}
	return &pair
}
