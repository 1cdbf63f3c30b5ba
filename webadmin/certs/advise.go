package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

var (
	errUnusable = errors.New("the ACME server sent what cannot be used")
	errNoALPN   = errors.New("the ACME server offers no challenge tls-alpn-01")
)

// advice is a failure and what to do about it.
type advice struct {
	cause error
	do    string
}

// Error implements error. Parts of it come from the ACME server.
func (a *advice) Error() string { return health.OneLine(a.cause.Error()) + ": " + a.do }

func (a *advice) Unwrap() error { return a.cause }

// again is how each advice ends.
const again = "; the controller tries again by itself, and at once after `systemctl reload grpccontroller`"

// advise says what to do about a failure to get a certificate for name.
func advise(err error, name string) *advice { return &advice{err, adviceOn(err, name) + again} }

func adviceOn(err error, name string) string {
	if refused, ok := errors.AsType[*acme.Error](err); ok {
		return adviceOnProblem(refused, name)
	}
	if _, ok := errors.AsType[*acme.AuthorizationError](err); ok {
		return reach(name)
	}
	if _, ok := errors.AsType[*acme.OrderError](err); ok {
		return reach(name)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "set admin.acme.ca_path to the CA of the ACME server's own certificate, or correct admin.acme.directory_url"
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the ACME server did not answer in time: look at its status, and whether this host reaches it"
	case errors.Is(err, errUnusable), errors.Is(err, errNoALPN):
		return "use an ACME server that supports tls-alpn-01 for this name (admin.acme.directory_url)"
	}
	return "check admin.acme.directory_url, and that this host reaches the ACME server"
}

func reach(name string) string {
	return fmt.Sprintf("the ACME server has to reach this listener at port 443 of %s: check the DNS record and the firewall", name)
}

// adviceOnProblem is by the type of the problem (RFC 8555 section 6.7).
func adviceOnProblem(p *acme.Error, name string) string {
	switch kind := strings.TrimPrefix(p.ProblemType, "urn:ietf:params:acme:error:"); kind {
	case "rateLimited":
		return "wait: the ACME server allows no more for now"
	case "rejectedIdentifier", "unsupportedIdentifier", "caa":
		return fmt.Sprintf("the ACME server issues nothing for %s: correct admin.acme.domains, the CAA record of the name, or admin.acme.directory_url", name)
	case "connection", "dns", "tls", "unauthorized", "incorrectResponse":
		return reach(name)
	case "externalAccountRequired", "invalidContact", "unsupportedContact", "userActionRequired":
		return "the ACME server does not take this account: check admin.acme.email, or use another server (admin.acme.directory_url)"
	}
	return "look at the status of the ACME server"
}

// askedToWait is how long the server asks us to wait.
func askedToWait(err error) (time.Duration, bool) {
	refused, ok := errors.AsType[*acme.Error](err)
	if !ok {
		return 0, false
	}
	wait, ok := acme.RateLimit(refused)
	return wait, ok && wait > 0
}
