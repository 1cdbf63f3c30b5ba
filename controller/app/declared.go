package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// declaredKeys are the configuration keys behind the fields of an auth.Declared. A
// secret's fault also names its file.
func declaredKeys(d config.Declared) map[string]string {
	return map[string]string{
		"owner.email": "declared.owner.email", "owner.name": "declared.owner.name",
		"owner.password": "declared.owner.password_path: " + d.Owner.PasswordPath,
		"api_key.name":   "declared.api_key.name", "api_key.scopes": "declared.api_key.scopes",
		"api_key.secret": "declared.api_key.path: " + d.APIKey.Path,
	}
}

// inConfig says a fault of a declaration in the words of the configuration.
func inConfig(d config.Declared, err error) error {
	if f, ok := errors.AsType[*auth.FieldError](err); ok {
		return fmt.Errorf("%s: %w", declaredKeys(d)[f.Field], f.Err)
	}
	return err
}

// readDeclared reads and checks what is declared, and changes nothing.
func readDeclared(d config.Declared) (auth.Declared, error) {
	var out auth.Declared
	if d.Owner.Email != "" {
		password, err := readDeclaredFile(d.Owner.PasswordPath)
		if err != nil {
			return out, fmt.Errorf("declared.owner.password_path: %w", err)
		}
		out.Owner = &auth.DeclaredOwner{Email: d.Owner.Email, Name: d.Owner.Name, Password: password}
	}
	if d.APIKey.Path != "" {
		text, err := readDeclaredFile(d.APIKey.Path)
		if err != nil {
			return out, fmt.Errorf("declared.api_key.path: %w", err)
		}
		out.Key = &auth.DeclaredKey{Name: d.APIKey.Name, Permissions: permissions(d.APIKey.Scopes), Secret: text}
	}
	return out, inConfig(d, out.Check())
}

// checkDeclared says what serve would refuse. Who checks a configuration may not be
// allowed to read the secrets, and has no systemd credentials: those are not looked at.
func checkDeclared(d config.Declared) error {
	var f settings.Faults
	var out auth.Declared
	if d.Owner.Email != "" {
		out.Owner = &auth.DeclaredOwner{Email: d.Owner.Email, Name: d.Owner.Name, Password: "a password that is good"}
	}
	if d.APIKey.Path != "" {
		text, _ := auth.NewKey()
		out.Key = &auth.DeclaredKey{Name: d.APIKey.Name, Permissions: permissions(d.APIKey.Scopes), Secret: text}
	}
	if err := inConfig(d, out.Check()); err != nil {
		f.Add("", "%v", err)
		return f.Err()
	}
	for path, one := range map[string]config.Declared{d.Owner.PasswordPath: {Owner: d.Owner}, d.APIKey.Path: {APIKey: d.APIKey}} {
		if !filepath.IsAbs(path) {
			continue
		}
		if _, err := readDeclared(one); err != nil && !errors.Is(err, fs.ErrPermission) {
			f.Add("", "%v", err)
		}
	}
	if filepath.IsAbs(d.PolicyPath) {
		if _, err := readDeclaredPolicy(d); err != nil && !errors.Is(err, fs.ErrPermission) {
			f.Add("", "%v", err)
		}
	}
	return f.Err()
}

// readDeclaredFile reads a secret of one line.
func readDeclaredFile(path string) (string, error) {
	raw, err := readOwnersFile(path, maxSecret)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	switch {
	case text == "":
		return "", fmt.Errorf("%s is empty", path)
	case strings.ContainsAny(text, "\r\n\x00"):
		return "", fmt.Errorf("%s has more than one line", path)
	}
	return text, nil
}

// readOwnersFile reads what is declared. A user who can write the file can make
// themselves owner, so nobody but its owner may. Others may be able to read it: secrets
// that a container engine mounts are often of mode 0444, in a directory that only
// the container sees. The owner of the file is not looked at: where user ids are
// mapped, the right one looks like nobody.
func readOwnersFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the controller's user may not read %s: %w", path, fs.ErrPermission)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("%s can be written by others (mode %04o): chmod go-w %s", path, info.Mode().Perm(), path)
	}
	if err := onlyOwnersPlace(path); err != nil {
		return nil, err
	}
	raw, err := atomicfile.Read(path, limit)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("the controller's user may not read %s: %w", path, fs.ErrPermission)
	}
	return raw, err
}

// mostLinks is how many symbolic links Linux follows for one path.
const mostLinks = 40

// onlyOwnersPlace refuses a file that others could replace: each directory on the way
// to it, and to what its links lead to, is one that only its owner can write, or a
// sticky one, as /tmp and the volume of a Kubernetes Secret are.
func onlyOwnersPlace(path string) error {
	at, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		dir, err := os.Stat(at)
		if err != nil {
			return err
		}
		if dir.Mode().Perm()&0o022 != 0 && dir.Mode()&fs.ModeSticky == 0 {
			return fmt.Errorf("%s is a directory that others can write (mode %04o), so they could put another file in place of %s: chmod go-w %[1]s", at, dir.Mode().Perm(), path)
		}
		next := filepath.Join(at, name) // of "..": no link is in at
		info, err := os.Lstat(next)
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		to, err := os.Readlink(next)
		if err != nil {
			return err
		}
		if links++; links > mostLinks {
			return fmt.Errorf("%s leads through too many symbolic links", path)
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return nil
}

// exposed says whether every user of this host can read the file: it and all
// directories above can be entered by others.
func exposed(path string) bool {
	at, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	need := fs.FileMode(0o004)
	for {
		info, err := os.Stat(at)
		if err != nil || info.Mode().Perm()&need == 0 {
			return false
		}
		if at == filepath.Dir(at) {
			return true
		}
		at, need = filepath.Dir(at), 0o001
	}
}

// declare makes what the configuration declares, before anything is served. The policy is
// tried first, so that a wrong one leaves everything as it was.
func (c *controller) declare(ctx context.Context) error {
	if err := c.declaredPolicy.plan(ctx, c.rules); err != nil {
		return err
	}
	if err := c.identity.Declare(ctx, c.declared); err != nil {
		return inConfig(c.cfg.Declared, err)
	}
	if err := c.declaredPolicy.apply(ctx, c.rules, c.policy, c.log); err != nil {
		return err
	}
	for _, path := range []string{c.cfg.Declared.Owner.PasswordPath, c.cfg.Declared.APIKey.Path} {
		if path != "" && exposed(path) {
			c.log.Warn("every user of this host can read a declared secret: chmod 0600 the file", zap.String("file", path))
		}
	}
	left, err := auth.Leftovers(ctx, c.store.AuthRows(), c.declared)
	if err != nil {
		return err
	}
	for _, it := range left {
		c.log.Warn("no longer declared, but still valid: remove it in the dashboard, or declare it again", zap.String("what", it))
	}
	return nil
}

// declarations is the doctor's look at what is declared.
func (x *checkup) declarations(ctx context.Context) []doctor.Finding {
	if x.fault != nil {
		return doctor.Unseen("correct the configuration first")
	}
	d := x.cfg.Declared
	out := describeDeclared(d)
	s, err := store.OpenReadOnly(ctx, paths(x.cfg.DataDir).database())
	switch {
	case errors.Is(err, fs.ErrPermission):
		return doctor.Unseen("what was declared is in the data directory, which this user cannot read: run doctor as root")
	case errors.Is(err, fs.ErrNotExist):
		return doctor.Good("declared: %s", out)
	case err != nil:
		return doctor.Unseen("%v", err)
	}
	defer func() { _ = s.Close() }()
	var declared auth.Declared // which ones there are is enough here
	if d.Owner.Email != "" {
		declared.Owner = &auth.DeclaredOwner{}
	}
	if d.APIKey.Path != "" {
		declared.Key = &auth.DeclaredKey{}
	}
	left, err := auth.Leftovers(ctx, s.AuthRows(), declared)
	if err != nil {
		return doctor.Unseen("%v", err)
	}
	if len(left) > 0 {
		return doctor.Bad(doctor.Warning, "remove it in the dashboard (People, API keys), or declare it again", "%s is no longer declared, but still valid", strings.Join(left, " and "))
	}
	return doctor.Good("declared: %s", out)
}

// describeDeclared is for people.
func describeDeclared(d config.Declared) string {
	var out []string
	if d.Owner.Email != "" {
		out = append(out, "the owner "+d.Owner.Email)
	}
	if d.APIKey.Path != "" {
		out = append(out, "the API key "+d.APIKey.Name+" ("+strings.Join(d.APIKey.Scopes, ", ")+")")
	}
	if d.PolicyPath != "" {
		policy := "the policy " + d.PolicyPath
		if d.PolicyPrune != "" {
			policy += ", pruned by " + d.PolicyPrune
		}
		out = append(out, policy)
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}
