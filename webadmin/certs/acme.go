package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/acme"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// ACMEConfig configures ACME.
type ACMEConfig struct {
	// Domains are names in ASCII; each gets a certificate of its own.
	Domains []string
	Email   string
	// DirectoryURL is the server's directory; empty is Let's Encrypt.
	DirectoryURL string
	// CAPath has the CAs of the server's own certificate (PEM); empty is those of the system.
	CAPath string
	// Dir is a directory of this user only, for the key of the account and the certificates:
	// a directory for each server, so that those of a server for tests are not taken for
	// another's.
	Dir string
	// Transport carries the requests; nil is one with CAPath. Tests set it.
	Transport http.RoundTripper
	// Now is time.Now by default.
	Now func() time.Time
}

// Limits of an attempt to get a certificate.
const (
	// attemptTimeout bounds an attempt until the server has all that it needs, and issueTimeout
	// how long it takes to issue then: a server that stalls must not keep the other domains
	// waiting for long. Whoever gives up an order that is complete pays for another one.
	attemptTimeout, issueTimeout = 2 * time.Minute, 10 * time.Minute
	// mostAsleep is how long Run sleeps before it asks the clock again.
	mostAsleep = time.Hour
	// firstRetry doubles with each failure up to mostRetry. Let's Encrypt allows five failed
	// validations of a name an hour.
	firstRetry = 2 * time.Minute
	mostRetry  = 6 * time.Hour
	// mostAsked bounds how long a server can make us wait.
	mostAsked = 24 * time.Hour
)

// ACME gets certificates by TLS-ALPN-01 on the listener itself (RFC 8737), and renews them
// after two thirds of their life. Using it agrees to the server's terms.
//
// Only Run orders certificates, and only for the configured domains: what a caller sends
// in a handshake is looked up and nothing else. A handshake that could order one would let
// a stranger use up what the server allows this account.
type ACME struct {
	cfg     ACMEConfig
	dir     string // of this server
	log     *zap.Logger
	account *ecdsa.PrivateKey
	http    *http.Client
	domains []*domain
	byName  map[string]*domain
	unknown strangers
}

// domain is a name and its certificate.
type domain struct {
	name string

	// What follows is of Run alone.
	due     time.Time
	retries int

	mu        sync.RWMutex
	cert      *tls.Certificate // nil before the first
	challenge *tls.Certificate // nil while the server does not ask for it
	failure   *advice          // why there is no new one
	since     time.Time        // of failure
}

// OpenACME reads the account's key, which it makes the first time, and the certificates
// of before. It asks nobody.
func OpenACME(c ACMEConfig, log *zap.Logger) (*ACME, error) {
	c.DirectoryURL = orDefault(c.DirectoryURL)
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &ACME{cfg: c, log: log.Named("certs"), byName: map[string]*domain{}}
	var err error
	if a.http, err = newClient(c); err != nil {
		return nil, err
	}
	a.dir = filepath.Join(c.Dir, serverDir(c.DirectoryURL))
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return nil, fmt.Errorf("directory of ACME: %w", err)
	}
	if a.account, err = openAccount(filepath.Join(a.dir, accountFile)); err != nil {
		return nil, err
	}
	for _, name := range c.Domains {
		name = strings.ToLower(name)
		if a.byName[name] != nil {
			continue
		}
		d := &domain{name: name}
		a.domains, a.byName[name] = append(a.domains, d), d
		switch cert, err := a.kept(d); {
		case err == nil:
			d.cert, d.due = cert, renewAt(cert.Leaf)
		case !errors.Is(err, fs.ErrNotExist):
			a.log.Warn("kept certificate is of no use: a new one is ordered", zap.String("domain", name), zap.Error(err))
		}
	}
	return a, nil
}

// TLS presents the newest certificates.
func (a *ACME) TLS() *tls.Config {
	t := base(a.certificate)
	t.NextProtos = append(t.NextProtos, acme.ALPNProto)
	return t
}

// Errors of handshakes; the log of the web server has them, at the level debug.
var (
	errUnknownName = errors.New("the name that the client asks for is not in admin.acme.domains")
	errNotProving  = errors.New("no challenge of the ACME server is open for this name")
	errNoneYet     = errors.New("there is no certificate for this name yet")
)

// certificate answers a handshake. It is a look-up: it orders nothing and waits for nobody.
func (a *ACME) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	d := a.byName[strings.ToLower(hello.ServerName)]
	if d == nil {
		a.unknown.note(a.log, hello.ServerName)
		return nil, errUnknownName
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if asksForProof(hello) {
		if d.challenge == nil {
			return nil, errNotProving
		}
		return d.challenge, nil
	}
	if d.cert == nil {
		return nil, errNoneYet
	}
	return d.cert, nil
}

// asksForProof says whether the caller is an ACME server that validates (RFC 8737 section 3).
func asksForProof(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto
}

// Run gets and renews certificates until ctx ends, one domain after the other. A signal
// says that what kept them from it was repaired: domains that failed are tried at once.
func (a *ACME) Run(ctx context.Context, signals <-chan os.Signal) error {
	for {
		next := a.tryDue(ctx)
		// The clock may be set meanwhile, or the machine asleep.
		timer := time.NewTimer(min(next.Sub(a.cfg.Now()), mostAsleep))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-signals:
			timer.Stop()
			for _, d := range a.domains {
				if d.retries > 0 {
					d.due = a.cfg.Now()
				}
			}
		}
	}
}

// tryDue tries the domains whose time has come, and returns when the next one's comes.
func (a *ACME) tryDue(ctx context.Context) (next time.Time) {
	for _, d := range a.domains {
		if ctx.Err() == nil && !a.cfg.Now().Before(d.due) {
			a.try(ctx, d)
		}
		if next.IsZero() || d.due.Before(next) {
			next = d.due
		}
	}
	return next
}

// try gets a certificate for a domain, and sets when it is tried again.
func (a *ACME) try(ctx context.Context, d *domain) {
	defer a.http.CloseIdleConnections()
	cert, text, err := a.order(ctx, d)
	if ctx.Err() != nil {
		return // we stop: it is nobody's fault
	}
	if err != nil {
		err := advise(err, d.name)
		d.retries++
		d.due = a.cfg.Now().Add(d.pause(err))
		d.fail(err, a.cfg.Now())
		a.log.Error("admin certificate not obtained", zap.String("domain", d.name), zap.Int("times", d.retries),
			zap.Time("next_attempt", d.due.UTC()), zap.Error(err))
		return
	}
	// One whose renewal is due already (this clock is ahead, or the server gives it a past)
	// is not ordered again at once.
	d.retries, d.due = 0, later(renewAt(cert.Leaf), a.cfg.Now().Add(max(lifeOf(cert.Leaf)/30, time.Second)))
	d.replace(cert)
	a.log.Info("admin certificate obtained", zap.String("domain", d.name), zap.String("serial", cert.Leaf.SerialNumber.String()),
		zap.Time("not_after", cert.Leaf.NotAfter), zap.Time("renewal", d.due.UTC()))
	if err := atomicfile.Write(a.path(d), text, 0o600); err != nil {
		a.log.Error("admin certificate not kept: it is in use, but a restart has to order another one", zap.String("domain", d.name), zap.Error(err))
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// pause is how long to wait after a failure.
func (d *domain) pause(err error) time.Duration {
	wait := mostRetry
	if n := d.retries - 1; n < 10 {
		wait = min(firstRetry<<n, mostRetry)
	}
	if d.cert != nil {
		// A certificate of hours has to be renewed within hours.
		wait = min(wait, max(lifeOf(d.cert.Leaf)/10, time.Second))
	}
	if asked, ok := askedToWait(err); ok {
		wait = max(wait, min(asked, mostAsked))
	}
	return wait + rand10(wait)
}

// rand10 is up to a tenth: many controllers that a failure of the server made wait do not
// come back together.
func rand10(d time.Duration) time.Duration {
	return time.Duration(mathrand.Int64N(int64(d)/10 + 1)) //nolint:gosec // no secret
}

func (d *domain) fail(err *advice, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failure == nil {
		d.since = now
	}
	d.failure = err
}

func (d *domain) replace(cert *tls.Certificate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cert, d.failure, d.since = cert, nil, time.Time{}
}

func (d *domain) prove(cert *tls.Certificate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.challenge = cert
}

func lifeOf(leaf *x509.Certificate) time.Duration { return leaf.NotAfter.Sub(leaf.NotBefore) }

// renewAt is after two thirds of its life: then a third is left for what can go wrong.
func renewAt(leaf *x509.Certificate) time.Time {
	return leaf.NotBefore.Add(lifeOf(leaf) / 3 * 2)
}

// Certificates are those that are presented, one a domain.
func (a *ACME) Certificates() []Certificate {
	out := make([]Certificate, 0, len(a.domains))
	for _, d := range a.domains {
		d.mu.RLock()
		c := Certificate{Name: d.name, Renews: true, Do: "The log of the controller says more (logger certs)."}
		if f := d.failure; f != nil {
			c.Failure, c.Do, c.Since = errors.New(health.OneLine(f.cause.Error())), f.do, d.since
		}
		if d.cert != nil {
			c.NotAfter = d.cert.Leaf.NotAfter
		}
		d.mu.RUnlock()
		out = append(out, c)
	}
	return out
}
