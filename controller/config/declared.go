package config

import (
	"path/filepath"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// Declared is who may call the admin API, and who may reach what, from the first start on,
// without a click. Secrets and policy are in files.
type Declared struct {
	Owner       DeclaredOwner `conf:"owner"`
	APIKey      DeclaredKey   `conf:"api_key"`
	PolicyPath  string        `conf:"policy_path" usage:"policy file that every start applies: networks, resources, grants and policy tests; a start fails if it cannot be applied; empty for none" is:"path"`
	PolicyPrune string        `conf:"policy_prune" usage:"label, such as app=shop: resources that carry it and are not in the policy file are deleted, and their grants; empty deletes nothing"`
}

// DeclaredOwner is an owner who signs in with a password.
type DeclaredOwner struct {
	Email        string `conf:"email" usage:"e-mail address of an owner that every start creates or updates; empty for none"`
	Name         string `conf:"name" usage:"name of that owner"`
	PasswordPath string `conf:"password_path" usage:"file with the password of that owner; a changed password takes effect at the next start" is:"path"`
}

// DeclaredKey is an API key that does not expire.
type DeclaredKey struct {
	Path   string   `conf:"path" usage:"file with an API key (from grpccontroller key generate) that every start creates; a changed key replaces the old one" is:"path"`
	Name   string   `conf:"name" usage:"name of that key"`
	Scopes []string `conf:"scopes" usage:"permissions of that key, such as fleet:read,tokens:write; or all"`
}

func defaultDeclared() Declared {
	return Declared{Owner: DeclaredOwner{Name: "Owner"}, APIKey: DeclaredKey{Name: "automation"}}
}

func (d Declared) validate() error {
	var f settings.Faults
	f.Require((d.Owner.Email == "") == (d.Owner.PasswordPath == ""), "owner.password_path", "needs owner.email: set both or neither")
	f.Require((d.APIKey.Path == "") == (len(d.APIKey.Scopes) == 0), "api_key.scopes", "needs api_key.path: set both or neither")
	for _, p := range []struct{ key, path string }{
		{"owner.password_path", d.Owner.PasswordPath}, {"api_key.path", d.APIKey.Path}, {"policy_path", d.PolicyPath},
	} {
		f.Require(p.path == "" || isFilePath(p.path), p.key, notFilePath, p.path)
	}
	if d.PolicyPrune != "" {
		_, err := access.ParseLabel(d.PolicyPrune)
		f.Require(err == nil, "policy_prune", "%v", err)
		f.Require(d.PolicyPath != "", "policy_prune", "needs policy_path: set both or neither")
	}
	return f.Err()
}

// credentials begins the path of a systemd credential (LoadCredential= of the unit).
const credentials = "$CREDENTIALS_DIRECTORY/"

const notFilePath = "must be an absolute path, or $CREDENTIALS_DIRECTORY/NAME, is %q"

// isFilePath: relative to what the program was started in is relative to nothing.
func isFilePath(p string) bool {
	name, credential := strings.CutPrefix(p, credentials)
	return filepath.IsAbs(p) || credential && name != "" && name != ".." && !strings.Contains(name, "/")
}

// WithCredentials replaces $CREDENTIALS_DIRECTORY at the beginning of paths to
// secrets and to the policy by dir, the directory that systemd gives to a unit. Errors: settings.Faults
// where a path needs it and there is none.
func (c Config) WithCredentials(dir string) (Config, error) {
	var f settings.Faults
	for _, p := range []struct {
		key  string
		path *string
	}{
		{"admin.tls_cert", &c.Admin.TLSCert},
		{"admin.tls_key", &c.Admin.TLSKey},
		{"admin.oidc.client_secret_path", &c.Admin.OIDC.ClientSecretPath},
		{"audit.export.webhook.secret_path", &c.Audit.Export.Webhook.SecretPath},
		{"declared.owner.password_path", &c.Declared.Owner.PasswordPath},
		{"declared.api_key.path", &c.Declared.APIKey.Path},
		{"declared.policy_path", &c.Declared.PolicyPath},
	} {
		name, ok := strings.CutPrefix(*p.path, credentials)
		if !ok {
			continue
		}
		f.Require(dir != "", p.key, "is %s, but this process was started without systemd credentials: add LoadCredential=%s:FILE to the unit", *p.path, name)
		*p.path = filepath.Join(dir, name)
	}
	return c, f.Err()
}
