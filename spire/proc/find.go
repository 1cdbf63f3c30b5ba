package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrNotFound is returned by Find when no place has the program.
var ErrNotFound = errors.New("program not found")

// Find returns the absolute path of the program name. It looks at the
// environment variable envVar, then in dirs, then beside our own executable, then
// in PATH. A variable that is set but names no program is an error and never
// skipped: whoever set it wants that program and no other.
func Find(name, envVar string, dirs ...string) (string, error) {
	if path := os.Getenv(envVar); path != "" {
		if err := executable(path); err != nil {
			return "", fmt.Errorf("%s=%s: %w; set it to the path of %s or unset it", envVar, path, err, name)
		}
		return filepath.Abs(path)
	}
	if self, err := os.Executable(); err == nil {
		dirs = append(dirs[:len(dirs):len(dirs)], filepath.Dir(self))
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if executable(path) == nil {
			return filepath.Abs(path)
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	return "", fmt.Errorf("%s: %w; run `make spire`, install it on PATH, or set %s", name, ErrNotFound, envVar)
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return errors.New("not an executable file")
	default:
		return nil
	}
}
