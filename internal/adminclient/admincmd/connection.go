package admincmd

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
)

// Where the API and the key are when no flag says it.
const (
	DefaultURL = "http://127.0.0.1:8080" // of a key without an address
	URLEnv     = "GRPCCONTROLLER_API_URL"
	KeyFileEnv = "GRPCCONTROLLER_API_KEY_FILE"
	CAFileEnv  = "GRPCCONTROLLER_API_CA_FILE"
	dataDirEnv = "GRPCCONTROLLER_DATA_DIR"

	runFileName = "run.json"
	maxFile     = 64 << 10
)

// Variables are those of the environment that the commands read.
func Variables() []string { return []string{URLEnv, KeyFileEnv, CAFileEnv} }

// connection is which API to call and as whom: by the local admin socket of a
// controller on this host, or by its address with a key.
type connection struct {
	urlFlag, keyFileFlag, caFlag, dataDir string

	target  adminclient.Target // resolved
	keyFile string             // of target.Key
	login   bool               // target.Key is that of a login
}

func (c *connection) register(fs *pflag.FlagSet) {
	fs.StringVar(&c.urlFlag, "api-url", "", "`URL` of the admin API of a controller elsewhere (env "+URLEnv+"; default: the one on this host)")
	fs.StringVar(&c.keyFileFlag, "api-key-file", "", "`file` with the API key (env "+KeyFileEnv+"); root needs none on the controller's host")
	fs.StringVar(&c.caFlag, "api-ca", "", "`file` with the CA of the admin API's certificate (env "+CAFileEnv+"; default: those of this host)")
	fs.StringVar(&c.dataDir, "data-dir", "", "data `directory` of the controller on this host, to find its admin socket")
}

// at is where the API is, for messages.
func (c *connection) at() string {
	if c.target.Socket != "" {
		return c.target.Socket
	}
	return c.target.URL
}

// local says whether the local admin socket is used.
func (c *connection) local() bool { return c.target.Socket != "" }

// resolve finds the API: a flag that names it, else --data-dir, else the environment,
// else the socket of the controller on this host, for whom it is open, else the last
// login. Whoever names a key means to use it, so with one neither socket nor login is.
func (c *connection) resolve() error {
	keyFile := orDefault(c.keyFileFlag, os.Getenv(KeyFileEnv))
	switch url := os.Getenv(URLEnv); {
	case c.urlFlag != "":
		return c.named("--api-url", c.urlFlag, keyFile)
	case c.dataDir != "":
		return c.byDataDir(c.dataDir, c.keyFileFlag)
	case url != "":
		return c.named(URLEnv, url, keyFile)
	case os.Getenv(dataDirEnv) != "":
		return c.byDataDir(os.Getenv(dataDirEnv), keyFile)
	case keyFile != "":
		return c.remote(DefaultURL, keyFile)
	}
	return c.unnamed(localsocket.Default())
}

// named is remote for an address that a flag or a variable names: one that is none is wrong
// usage, whatever is at it.
func (c *connection) named(by, url, keyFile string) error {
	if _, err := adminclient.Origin(url); err != nil {
		return cli.UsageError(fmt.Errorf("%s: %w", by, err))
	}
	return c.remote(url, keyFile)
}

// unnamed is for a command without an address: the socket of a controller on this
// host, unless this user may not open it and has a login.
func (c *connection) unnamed(socket string, none error) error {
	if none != nil || !localsocket.Open(socket) {
		if found, err := c.lastLogin(); found || err != nil {
			return err
		}
	}
	if none != nil {
		return fmt.Errorf("no controller runs on this host (no socket at %w): start it, set --data-dir if it uses another directory, "+
			"or sign in to a controller elsewhere with `grpccontroller login URL`", none)
	}
	c.target = adminclient.Target{Socket: socket}
	return nil
}

// lastLogin is the controller to which this user signed in last. Where that cannot be
// known, as without a home directory, there is none.
func (c *connection) lastLogin() (found bool, err error) {
	all, err := ownLogins()
	if err != nil {
		return false, nil //nolint:nilerr // a service without a home has no login
	}
	origin, err := all.last()
	if err != nil || origin == "" {
		return false, err
	}
	found, err = c.byLogin(origin)
	if err == nil && !found {
		err = fmt.Errorf("the login at %s is gone: run `grpccontroller login %[1]s` again, or name a controller with --api-url", origin)
	}
	return found, err
}

// byLogin uses the login at an address, if there is one.
func (c *connection) byLogin(address string) (found bool, err error) {
	origin, err := adminclient.Origin(address)
	if err != nil {
		return false, err
	}
	all, err := ownLogins()
	if err != nil {
		return false, nil //nolint:nilerr // a service without a home has no login
	}
	it, err := all.of(origin)
	if errors.Is(err, errNoLogin) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !time.Now().Before(it.ExpiresAt) {
		return true, fmt.Errorf("the login at %s has expired: run `grpccontroller login %[1]s` again", origin)
	}
	c.target.URL, c.target.Key, c.login = origin, it.Token, true
	if ca := orDefault(c.caFlag, os.Getenv(CAFileEnv)); ca != "" {
		c.target.Roots, err = readRoots(ca)
		return true, err
	}
	c.target.Roots, err = parseRoots([]byte(it.CA), "the login at "+origin)
	return true, err
}

// remote is an API that is called with a key, or with a login there.
func (c *connection) remote(url, keyFile string) (err error) {
	if keyFile == "" {
		if found, err := c.byLogin(url); found || err != nil {
			return err
		}
	}
	c.target.URL, c.keyFile = url, keyFile
	if c.target.Key, err = readKey(keyFile); err != nil {
		return err
	}
	c.target.Roots, err = readRoots(orDefault(c.caFlag, os.Getenv(CAFileEnv)))
	return err
}

// byDataDir is the controller that runs with this data directory.
func (c *connection) byDataDir(dir, keyFile string) error {
	run, err := readRunFile(dir)
	if err != nil {
		return err
	}
	if keyFile == "" && run.AdminSocket != "" {
		c.target = adminclient.Target{Socket: run.AdminSocket}
		return nil
	}
	url := run.Admin
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	return c.remote(url, keyFile)
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// runFile is what a running controller says of itself.
type runFile struct {
	Admin       string `json:"admin"`
	AdminSocket string `json:"admin_socket"`
}

func readRunFile(dir string) (run runFile, err error) {
	path := filepath.Join(dir, runFileName)
	b, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return run, fmt.Errorf("no controller runs with the data directory %s (there is no %s in it): start it with `grpccontroller serve`, "+
			"name the data directory of one that runs with --data-dir, or a controller elsewhere with --api-url", dir, runFileName)
	case errors.Is(err, fs.ErrPermission):
		return run, fmt.Errorf("this user cannot read the data directory %s: use sudo, or --api-url and --api-key-file", dir)
	case err != nil:
		return run, fmt.Errorf("find the admin API: %w", err)
	}
	if json.Unmarshal(b, &run) != nil || run.Admin == "" {
		return run, fmt.Errorf("%s does not say where the admin API is; name it with --api-url", path)
	}
	return run, nil
}

func readKey(path string) (string, error) {
	if path == "" {
		return "", errors.New("the admin API at a network address needs a sign-in or an API key: run `grpccontroller login URL`, or name the file of an API key with " +
			"--api-key-file (`grpccontroller key create --name NAME --scope all --out FILE` makes one on the controller's host)")
	}
	b, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("no API key file at %s: name another with --api-key-file, or make one on the controller's host with "+
			"`grpccontroller key create --name NAME --scope all --out FILE`", path)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("this user may not read the API key file %s: use sudo or name another with --api-key-file", path)
	case err != nil:
		return "", fmt.Errorf("API key file (--api-key-file): %w", err)
	}
	key := strings.TrimSpace(string(b))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s holds no API key; name the right file with --api-key-file", path)
	}
	return key, nil
}

// readRoots reads a private CA; nil without a file.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("CA of the admin API (--api-ca): %w", err)
	}
	return parseRoots(b, path)
}

// parseRoots reads a private CA in PEM; nil without one. name says where it was.
func parseRoots(pem []byte, name string) (*x509.CertPool, error) {
	if len(pem) == 0 {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM; name the right file", name)
	}
	return roots, nil
}

// readFile reads a file that should be small and may be anything.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is larger than %d KiB", path, maxFile>>10)
	}
	return b, err
}
