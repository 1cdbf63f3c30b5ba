package localsocket

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	fileName = "admin.sock"
	program  = "grpccontroller"

	// DataDir is the data directory of a controller whose configuration names no other.
	DataDir = "/var/lib/" + program
	// Runtime is the socket of a controller that runs as grpccontroller.service.
	Runtime = "/run/" + program + "/" + fileName

	// maxPath leaves room in sun_path (unix(7), 108 bytes with the final NUL), as the
	// limit of SPIRE's sockets does.
	maxPath = 99
)

// Path is where a controller with this data directory has its socket. runtime is the
// value of RUNTIME_DIRECTORY, which systemd sets to the directories of
// RuntimeDirectory= with colons between them: one that is called like the program is
// taken before the data directory.
func Path(dataDir, runtime string) string {
	for _, dir := range strings.Split(runtime, ":") {
		if filepath.IsAbs(dir) && filepath.Base(dir) == program {
			return filepath.Join(dir, fileName)
		}
	}
	return filepath.Join(dataDir, fileName)
}

// Check refuses a path at which no socket can be.
func Check(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return fmt.Errorf("the path of the local admin socket is not absolute: %q", path)
	case len(path) > maxPath:
		return fmt.Errorf("the path of the local admin socket is %d bytes long and a socket's may have %d: choose a shorter data_dir than that of %s",
			len(path), maxPath, path)
	}
	return nil
}

// CheckPath refuses a path at which no socket of any purpose can be.
func CheckPath(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return fmt.Errorf("the path of a socket must be absolute: %q", path)
	case len(path) > maxPath:
		return fmt.Errorf("the path of a socket may have %d bytes, and this one has %d: %s", maxPath, len(path), path)
	}
	return nil
}

// Default is the socket of the controller on this host: of the service, else of a
// controller in DataDir, such as that of a container. One that this user may not look
// for counts as there, so that the user learns of it. Error: fs.ErrNotExist.
func Default() (string, error) { return first(Runtime, filepath.Join(DataDir, fileName)) }

// Open says whether this user may connect to the socket at path, as far as its mode
// says.
func Open(path string) bool { return unix.Access(path, unix.W_OK) == nil }

func first(paths ...string) (string, error) {
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", strings.Join(paths, ", "), fs.ErrNotExist)
}
