package config

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Admin is the admin API and dashboard: TLS of its listener and sign-in.
type Admin struct {
	PublicURL      string `conf:"public_url" usage:"URL at which people reach the dashboard, such as https://controller.example.com"`
	TLSCert        string `conf:"tls_cert" usage:"certificate chain (PEM) of the admin listener, read again when it changes" is:"path"`
	TLSKey         string `conf:"tls_key" usage:"private key of admin.tls_cert (PEM)" is:"path"`
	InsecureListen bool   `conf:"insecure_listen" usage:"allow an admin listener beyond loopback without TLS, behind a proxy that terminates TLS"`
	ACME           ACME   `conf:"acme"`
	OIDC           OIDC   `conf:"oidc"`
}

// ACME gets the certificate from an ACME server instead of files.
type ACME struct {
	Domains      []string `conf:"domains" usage:"domains of the admin listener's certificate; it must be reachable there on port 443"`
	Email        string   `conf:"email" usage:"contact for the ACME account"`
	DirectoryURL string   `conf:"directory_url" usage:"directory of the ACME server (default: Let's Encrypt)"`
	CAPath       string   `conf:"ca_path" usage:"CAs of the ACME server's own certificate (PEM; default: those of the system)" is:"path"`
}

// OIDC is sign-in with an OpenID provider.
type OIDC struct {
	Issuer           string    `conf:"issuer" usage:"issuer URL of the OpenID provider; empty turns it off"`
	Name             string    `conf:"name" usage:"name of the provider on the sign-in page"`
	ClientID         string    `conf:"client_id" usage:"client id at the provider"`
	ClientSecretPath string    `conf:"client_secret_path" usage:"file with the client secret" is:"path"`
	Scopes           []string  `conf:"scopes" usage:"scopes to request in addition to openid"`
	GroupsClaim      string    `conf:"groups_claim" usage:"claim with the groups"`
	Roles            OIDCRoles `conf:"roles"`
}

// OIDCRoles are the groups that have each role; of several the highest counts.
type OIDCRoles struct {
	Owner    []string `conf:"owner" usage:"groups whose members are owners"`
	Admin    []string `conf:"admin" usage:"groups whose members are admins"`
	Operator []string `conf:"operator" usage:"groups whose members are operators"`
	Auditor  []string `conf:"auditor" usage:"groups whose members are auditors"`
}

func defaultAdmin() Admin {
	return Admin{OIDC: OIDC{Name: "single sign-on", Scopes: []string{"email", "profile", "groups"}, GroupsClaim: "groups"}}
}

// TLS says whether the admin listener has a certificate of its own.
func (a Admin) TLS() bool { return a.TLSCert != "" || len(a.ACME.Domains) > 0 }

func (a Admin) validate() error {
	var f settings.Faults
	f.Require(a.PublicURL == "" || isOrigin(a.PublicURL), "public_url", "must be a URL without a path such as https://controller.example.com, is %q", a.PublicURL)
	f.Require((a.TLSCert == "") == (a.TLSKey == ""), "tls_key", "needs tls_cert: set both or neither")
	for _, p := range []struct{ key, path string }{{"tls_cert", a.TLSCert}, {"tls_key", a.TLSKey}} {
		f.Require(p.path == "" || isFilePath(p.path), p.key, notFilePath, p.path)
	}
	f.Require(a.TLSCert == "" || len(a.ACME.Domains) == 0, "acme.domains", "excludes tls_cert: set one of them")
	for _, d := range a.ACME.Domains {
		f.Require(isDomain(d), "acme.domains", "must be domain names in ASCII, such as controller.example.com or xn--bcher-kva.example, has %q", d)
	}
	f.Require(a.ACME.CAPath == "" || filepath.IsAbs(a.ACME.CAPath), "acme.ca_path", "must be an absolute path, is %q", a.ACME.CAPath)
	f.Require(a.ACME.CAPath == "" || a.ACME.DirectoryURL != "", "acme.ca_path", "needs acme.directory_url: the certificate of Let's Encrypt is of a CA of the system")
	f.Require(a.ACME.DirectoryURL == "" || isSecureURL(a.ACME.DirectoryURL), "acme.directory_url", "must be an https URL, is %q", a.ACME.DirectoryURL)
	f.In("oidc", a.OIDC.validate())
	f.Require(a.OIDC.Issuer == "" || a.PublicURL != "", "public_url", "is needed with oidc.issuer: the provider sends browsers back there")
	return f.Err()
}

// maxProviderName is what fits on the button of the sign-in page.
const maxProviderName = 64

func (o OIDC) validate() error {
	var f settings.Faults
	if o.Issuer == "" {
		return nil
	}
	f.Require(isSecureURL(o.Issuer), "issuer", "must be an https URL (or http on loopback), is %q", o.Issuer)
	name := visible.Line(o.Name, maxProviderName)
	f.Require(name == nil, "name", "%v", name)
	f.Require(o.ClientID != "", "client_id", "is missing")
	f.Require(isFilePath(o.ClientSecretPath), "client_secret_path", notFilePath, o.ClientSecretPath)
	f.Require(o.GroupsClaim != "", "groups_claim", "is missing")
	f.Require(len(o.Roles.Owner)+len(o.Roles.Admin)+len(o.Roles.Operator)+len(o.Roles.Auditor) > 0, "roles", "name no group: without one nobody can sign in")
	return f.Err()
}

// isOrigin: a path would be in front of ours, and cookies are for a whole host.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil &&
		strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

// isSecureURL: what comes over plain HTTP may be from anybody on the way.
func isSecureURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// domainName is what can be in a certificate of ACME. It is also the name of a file.
var domainName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]+$`)

func isDomain(s string) bool { return len(s) <= 253 && domainName.MatchString(s) && !isIP(s) }
