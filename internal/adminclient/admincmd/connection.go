package admincmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// Where the API and the key are when nothing is said.
const (
	DefaultURL     = "http://127.0.0.1:8080"
	DefaultKeyFile = "/var/lib/grpccontroller/bootstrap-api-key"
	URLEnv         = "GRPCCONTROLLER_API_URL"
	KeyFileEnv     = "GRPCCONTROLLER_API_KEY_FILE"

	keyFileName = "bootstrap-api-key"
	runFileName = "run.json"
	maxFile     = 64 << 10
)

// connection is which API to call and with which key.
type connection struct {
	urlFlag, keyFileFlag, dataDir string

	url, keyFile, key string // resolved
}

func (c *connection) register(fs *pflag.FlagSet) {
	fs.StringVar(&c.urlFlag, "api-url", "", "`URL` of the admin API (env "+URLEnv+"; default "+DefaultURL+")")
	fs.StringVar(&c.keyFileFlag, "api-key-file", "", "`file` with the API key (env "+KeyFileEnv+"; default "+DefaultKeyFile+")")
	fs.StringVar(&c.dataDir, "data-dir", "", "`directory` of a running controller, to find both in")
}

// resolve finds address and key: the flag that names it, else --data-dir, else
// the environment, else the default.
func (c *connection) resolve() error {
	var err error
	switch {
	case c.urlFlag != "":
		c.url = c.urlFlag
	case c.dataDir != "":
		if c.url, err = urlFromRunFile(c.dataDir); err != nil {
			return err
		}
	default:
		c.url = orDefault(os.Getenv(URLEnv), DefaultURL)
	}
	switch {
	case c.keyFileFlag != "":
		c.keyFile = c.keyFileFlag
	case c.dataDir != "":
		c.keyFile = filepath.Join(c.dataDir, keyFileName)
	default:
		c.keyFile = orDefault(os.Getenv(KeyFileEnv), DefaultKeyFile)
	}
	c.key, err = readKey(c.keyFile)
	return err
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func urlFromRunFile(dir string) (string, error) {
	path := filepath.Join(dir, runFileName)
	b, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no %s in %s: is grpccontroller serve running with this data directory?", runFileName, dir)
	}
	if err != nil {
		return "", fmt.Errorf("find the admin API: %w", err)
	}
	var run struct {
		Admin string `json:"admin"`
	}
	if json.Unmarshal(b, &run) != nil || run.Admin == "" {
		return "", fmt.Errorf("%s does not say where the admin API is; name it with --api-url", path)
	}
	if strings.Contains(run.Admin, "://") {
		return run.Admin, nil
	}
	return "http://" + run.Admin, nil
}

func readKey(path string) (string, error) {
	b, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("no API key file at %s: name one with --api-key-file, or make one on the controller's host with "+
			"`grpccontroller key create --out FILE` (the key of the first start ends when the first owner signs in, or after 24 hours)", path)
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
