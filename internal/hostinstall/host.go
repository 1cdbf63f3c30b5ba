package hostinstall

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Host is the machine that is worked on.
type Host struct {
	// Root is the directory that stands for "/".
	Root     string
	Commands Commands
	System   System
	// Before is called with every change to a file before it is made; its error makes
	// the change fail. For tests; nil otherwise.
	Before func(change string) error
}

// Commands runs the programs of the host.
type Commands interface {
	// Find says whether the host has a program.
	Find(name string) bool
	// Run returns the standard output. The error of a program that ended with another
	// code than 0 is a *CommandError, and ErrNotStarted that of one that did not begin.
	Run(ctx context.Context, c Call) (string, error)
}

// ErrNotStarted is returned for a program that did nothing.
var ErrNotStarted = errors.New("cannot start")

// Call is one call of a program.
type Call struct {
	Name  string
	Args  []string
	Stdin string
	// Aloud lets the person at the terminal see what the program prints.
	Aloud bool
}

func (c Call) String() string { return strings.Join(append([]string{c.Name}, c.Args...), " ") }

// CommandError is the end of a program with an exit code.
type CommandError struct {
	Call Call
	Code int
	Text string // what it wrote to standard error, if it was not aloud
}

// Error implements error.
func (e *CommandError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("%s ended with exit code %d", e.Call, e.Code)
	}
	return fmt.Sprintf("%s: %s", e.Call, e.Text)
}

// System is what the kernel knows.
type System interface {
	// Root says whether this process may do all that is necessary.
	Root() bool
	// Space returns what is free on the file system of a directory, in bytes, and which
	// file system that is.
	Space(dir string) (free, device uint64, err error)
	// Writable is the reason why nothing can be written in a directory.
	Writable(dir string) error
	// Listen is the reason why a program could not listen there.
	Listen(ctx context.Context, addr string) error
	// Ready is the reason why the program whose health listener is there is not ready.
	Ready(ctx context.Context, addr string) error
}

// at is where a path of the host is.
func (h Host) at(path string) string { return filepath.Join(h.Root, path) }

// exists says whether there is anything, a broken link too.
func (h Host) exists(path string) bool {
	_, err := os.Lstat(h.at(path))
	return err == nil
}

// read returns a small file, empty if there is none.
func (h Host) read(path string) (string, error) {
	info, err := os.Stat(h.at(path))
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxConf {
		return "", fmt.Errorf("%s is not a small file", path)
	}
	text, err := os.ReadFile(h.at(path))
	return string(text), err
}

const maxConf = 1 << 20

// nearest is the directory itself or the nearest one above it that exists. What is in
// the way of a directory is an error.
func (h Host) nearest(dir string) (string, error) {
	for {
		info, err := os.Stat(h.at(dir))
		switch {
		case err == nil && info.IsDir():
			return dir, nil
		case err == nil:
			return "", fmt.Errorf("%s is in the way: it is not a directory", dir)
		case !os.IsNotExist(err):
			return "", err
		case h.exists(dir):
			return "", fmt.Errorf("%s is in the way: it is a link that leads nowhere", dir)
		case dir == "/":
			return "", fs.ErrNotExist
		}
		dir = filepath.Dir(dir)
	}
}

// run runs a program whose output nobody needs.
func (h Host) run(ctx context.Context, name string, args ...string) error {
	_, err := h.Commands.Run(ctx, Call{Name: name, Args: args})
	return err
}

// ask returns what a program says, trimmed, and nothing where it fails.
func (h Host) ask(ctx context.Context, name string, args ...string) string {
	out, err := h.Commands.Run(ctx, Call{Name: name, Args: args})
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
