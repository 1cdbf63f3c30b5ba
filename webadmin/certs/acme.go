package certs

import (
	"crypto/tls"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACMEConfig configures ACME.
type ACMEConfig struct {
	Domains []string
	Email   string
	// DirectoryURL is the server's directory; empty is Let's Encrypt.
	DirectoryURL string
	// Cache is a directory of this user only, for account key and certificates.
	Cache string
}

// ACME gets certificates by TLS-ALPN-01 on the listener itself (RFC 8737), when the
// first caller asks for one of the domains; using it agrees to the server's terms.
func ACME(c ACMEConfig) *tls.Config {
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(c.Cache), HostPolicy: autocert.HostWhitelist(c.Domains...), Email: c.Email,
	}
	if c.DirectoryURL != "" {
		m.Client = &acme.Client{DirectoryURL: c.DirectoryURL}
	}
	t := base(m.GetCertificate)
	t.NextProtos = append(t.NextProtos, acme.ALPNProto)
	return t
}
