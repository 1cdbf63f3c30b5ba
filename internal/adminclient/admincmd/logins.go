package admincmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
)

// login is what a command line keeps of a controller that it is signed in to.
type login struct {
	URL       string    `json:"url"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
	// CA is the private CA of the controller's certificate, in PEM; empty is those of
	// this host. It is kept whole, so that no later file can take its place.
	CA string `json:"ca,omitempty"`
}

// logins are the files with them: one for each controller, and which one was last.
type logins struct{ dir string }

const (
	lastLogin   = "last"
	loginSuffix = ".json"
)

// ownLogins are those of this user.
func ownLogins() (logins, error) {
	dir, err := os.UserConfigDir() // $XDG_CONFIG_HOME, or ~/.config
	if err != nil {
		return logins{}, fmt.Errorf("find the directory for logins: %w", err)
	}
	return logins{filepath.Join(dir, "grpccontroller", "logins")}, nil
}

func (l logins) file(origin string) string {
	return filepath.Join(l.dir, url.QueryEscape(origin)+loginSuffix)
}

// keep stores a login, which is the one of commands without an address from now on.
func (l logins) keep(it login) error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("directory for logins: %w", err)
	}
	raw, err := json.MarshalIndent(it, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(l.file(it.URL), append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(l.dir, lastLogin), []byte(it.URL+"\n"), 0o600)
}

// last is the address of the login that was kept last; empty without one.
func (l logins) last() (string, error) {
	b, err := readFile(filepath.Join(l.dir, lastLogin))
	// What another user's $HOME holds (su, sudo -u) is no login of this one.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// errNoLogin is returned where there is no login.
var errNoLogin = errors.New("no login")

// of reads the login at an address. Errors: errNoLogin.
func (l logins) of(origin string) (it login, err error) {
	path := l.file(origin)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return it, errNoLogin
	}
	if err != nil {
		return it, fmt.Errorf("login at %s: %w", origin, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return it, fmt.Errorf("other users may read or change the login in %s (mode %04o): end it with `grpccontroller logout %[3]s`, and sign in again with `grpccontroller login %[3]s`",
			path, info.Mode().Perm(), origin)
	}
	return l.read(origin)
}

// read is of, whoever else may read the file: such a login can still be ended.
func (l logins) read(origin string) (it login, err error) {
	path := l.file(origin)
	b, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return it, errNoLogin
	}
	if err != nil {
		return it, fmt.Errorf("login at %s: %w", origin, err)
	}
	// A file that was renamed must not send one controller's token to another.
	if json.Unmarshal(b, &it) != nil || it.URL != origin || it.Token == "" {
		return login{}, fmt.Errorf("%s holds no login at %s: sign in again with `grpccontroller login %[2]s`", path, origin)
	}
	return it, nil
}

// forget removes a login.
func (l logins) forget(origin string) error {
	if last, err := l.last(); err == nil && last == origin {
		if err := os.Remove(filepath.Join(l.dir, lastLogin)); err != nil {
			return err
		}
	}
	err := os.Remove(l.file(origin))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
