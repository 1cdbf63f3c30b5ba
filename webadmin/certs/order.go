package certs

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/acme"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// accountFile has the private key of the account. No domain has such a name.
const accountFile = "account.key"

func (a *ACME) path(d *domain) string { return filepath.Join(a.dir, d.name+".pem") }

// serverDir is the name of the directory of what is of one ACME server.
func serverDir(directoryURL string) string {
	_, at, _ := strings.Cut(directoryURL, "://")
	return url.PathEscape(at)
}

// KeptACME is the file of a domain's certificate.
func KeptACME(dir, directoryURL, domain string) string {
	return filepath.Join(dir, serverDir(orDefault(directoryURL)), strings.ToLower(domain)+".pem")
}

func orDefault(directoryURL string) string { return cmp.Or(directoryURL, acme.LetsEncryptURL) }

// openAccount reads the key of the account, and makes it where there is none. One that
// cannot be read is an error: a new one would be a new account each time.
func openAccount(path string) (*ecdsa.PrivateKey, error) {
	text, err := atomicfile.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		block, err := keyBlock(key)
		if err != nil {
			return nil, err
		}
		return key, atomicfile.Write(path, pem.EncodeToMemory(block), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("key of the ACME account: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("key of the ACME account: %s has no key (PEM): remove the file to begin a new account", path)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key of the ACME account: %s: %w: remove the file to begin a new account", path, err)
	}
	return key, nil
}

func keyBlock(key *ecdsa.PrivateKey) (*pem.Block, error) {
	der, err := x509.MarshalECPrivateKey(key)
	return &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}, err
}

// kept is the certificate that an earlier run got. One that has expired is used too: its
// date says more to a person than a refused handshake, and it is replaced as soon as possible.
func (a *ACME) kept(d *domain) (*tls.Certificate, error) {
	text, err := atomicfile.Read(a.path(d), maxFile)
	if err != nil {
		return nil, err
	}
	return parsePair(text, d.name)
}

// parsePair reads a key and the chain of its certificate, which has to be for the name.
func parsePair(text []byte, name string) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(text, text) // also checks that the two belong together
	if err != nil {
		return nil, err
	}
	if err := pair.Leaf.VerifyHostname(name); err != nil {
		return nil, err
	}
	return &pair, nil
}

// client is one for a single attempt. It holds what the server said: nothing of that outlives
// an attempt, so a server may be set up anew.
func (a *ACME) client() *acme.Client {
	return &acme.Client{
		Key: a.account, DirectoryURL: a.cfg.DirectoryURL, HTTPClient: a.http, UserAgent: "grpccontroller",
		// Only a nonce that is not valid any more is worth another request at once
		// (RFC 8555 section 6.5). All else waits for the next attempt.
		RetryBackoff: func(n int, _ *http.Request, r *http.Response) time.Duration {
			if r.StatusCode == http.StatusBadRequest && n < 5 {
				return time.Duration(n) * 10 * time.Millisecond
			}
			return 0
		},
	}
}

// order gets a certificate; text is what to keep of it.
func (a *ACME) order(ctx context.Context, d *domain) (cert *tls.Certificate, text []byte, err error) {
	c := a.client()
	o, err := a.ready(ctx, c, d)
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{d.name}}, key)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	chain, _, err := c.CreateCertFromOrder(ctx, o, csr, true)
	if err != nil {
		return nil, nil, fmt.Errorf("order: %w", err)
	}
	return a.finish(d.name, key, chain)
}

// ready is an order of which the server has all but the key.
func (a *ACME) ready(ctx context.Context, c *acme.Client, d *domain) (*acme.Order, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if err := a.register(ctx, c); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	o, err := c.AuthorizeOrder(ctx, acme.DomainIDs(d.name))
	if err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	for _, at := range o.AuthzURLs {
		if err := proveDomain(ctx, c, d, at); err != nil {
			return nil, err
		}
	}
	if o, err = c.WaitOrder(ctx, o.URI); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	return o, nil
}

// register makes the account, or finds it. One that was there may have another contact, of an
// earlier configuration. A server that does not take the new one still renews.
func (a *ACME) register(ctx context.Context, c *acme.Client) error {
	account := &acme.Account{}
	if a.cfg.Email != "" {
		account.Contact = []string{"mailto:" + a.cfg.Email}
	}
	_, err := c.Register(ctx, account, acme.AcceptTOS)
	if !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return err
	}
	if len(account.Contact) == 0 { // x/crypto/acme cannot take one away
		return nil
	}
	if _, err := c.UpdateReg(ctx, account); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.log.Warn("the ACME server does not take the contact of the account: check admin.acme.email", zap.String("fault", health.OneLine(err.Error())))
	}
	return nil
}

// finish checks what the server issued before it replaces a certificate that works.
func (a *ACME) finish(name string, key *ecdsa.PrivateKey, chain [][]byte) (*tls.Certificate, []byte, error) {
	block, err := keyBlock(key)
	if err != nil {
		return nil, nil, err
	}
	text := pem.EncodeToMemory(block)
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	cert, err := parsePair(text, name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	if a.cfg.Now().After(cert.Leaf.NotAfter) {
		return nil, nil, fmt.Errorf("%w: it expired at %s", errUnusable, cert.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return cert, text, nil
}

// proveDomain shows the server that this listener is reached at the domain. The proof is
// presented only until the server has seen it.
func proveDomain(ctx context.Context, c *acme.Client, d *domain, at string) error {
	z, err := c.GetAuthorization(ctx, at)
	if err != nil {
		return fmt.Errorf("authorization: %w", err)
	}
	if z.Status != acme.StatusPending { // it was given before
		return nil
	}
	if z.Identifier.Value != d.name {
		return fmt.Errorf("%w: an authorization of %q", errUnusable, z.Identifier.Value)
	}
	i := slices.IndexFunc(z.Challenges, func(c *acme.Challenge) bool { return c.Type == "tls-alpn-01" })
	if i < 0 {
		return errNoALPN
	}
	proof, err := c.TLSALPN01ChallengeCert(z.Challenges[i].Token, d.name)
	if err != nil {
		return err
	}
	d.prove(&proof)
	defer d.prove(nil)
	if _, err := c.Accept(ctx, z.Challenges[i]); err != nil {
		return fmt.Errorf("challenge: %w", err)
	}
	if _, err := c.WaitAuthorization(ctx, z.URI); err != nil {
		return fmt.Errorf("validation: %w", err)
	}
	return nil
}
