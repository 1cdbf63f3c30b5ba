package conf

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// maxSocketPath bounds the path of a socket: the kernel takes 107 bytes, SPIRE
// and gRPC add nothing, and some room keeps a longer temporary name possible.
const maxSocketPath = 100

// CheckSocketPath returns an error for a Unix socket path that cannot be bound:
// relative, or 100 bytes or longer.
func CheckSocketPath(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return fmt.Errorf("socket path %q is not absolute", path)
	case len(path) >= maxSocketPath:
		return fmt.Errorf("socket path %q is %d bytes long, the limit is %d; choose a shorter directory", path, len(path), maxSocketPath-1)
	default:
		return checkPath("socket path", path)
	}
}

// checkPath refuses what no file system can mean and what SPIRE would read
// relative to a working directory that is not ours.
func checkPath(what, path string) error {
	switch {
	case path == "":
		return fmt.Errorf("%s is empty", what)
	case !filepath.IsAbs(path):
		return fmt.Errorf("%s %q is not absolute", what, path)
	case strings.ContainsRune(path, 0):
		return fmt.Errorf("%s %q contains a zero byte", what, path)
	default:
		return nil
	}
}

func checkPort(what string, port int) error {
	if port < 1 || port > 65535 {
		return fmt.Errorf("%s %d is not between 1 and 65535", what, port)
	}
	return nil
}

// CheckMetricsPort returns an error for what is neither a port nor 0, which turns
// the metrics of a SPIRE program off.
func CheckMetricsPort(port int) error {
	if port == 0 {
		return nil
	}
	return checkPort("metrics port", port)
}

func checkTrustDomain(td spiffeid.TrustDomain) error {
	if td.IsZero() {
		return errors.New("trust domain is empty")
	}
	return nil
}

func checkLogLevel(level string) error {
	switch level {
	case "", "debug", "info", "warn", "error":
		return nil
	default:
		return fmt.Errorf("log level %q is not debug, info, warn or error", level)
	}
}
