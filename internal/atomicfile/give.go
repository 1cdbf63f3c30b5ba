package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Give replaces a file in the state directory of a program that another user runs: it
// makes the directory and gives both to that user, who may own the directory already. No
// link that this user makes, at any moment, leads to a file of somebody else.
func Give(stateDir, name string, data []byte, uid int) (err error) {
	if uid == os.Getuid() {
		if err := os.MkdirAll(stateDir, 0o700); err != nil {
			return err
		}
		return Write(filepath.Join(stateDir, name), data, 0o600)
	}
	dir, err := openDir(stateDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	root, err := openSame(stateDir, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := placeIn(root, name, data, uid); err != nil {
		return Explain(filepath.Join(stateDir, name), err)
	}
	return errors.Join(dir.Sync(), dir.Chown(uid, -1))
}

// openDir makes and opens a directory and follows no link on the way to it, for whoever
// may write in one of the directories above could lead root to another place.
func openDir(path string) (*os.File, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open("/")
	at := "/"
	for _, name := range strings.Split(strings.Trim(whole, "/"), "/") {
		if err != nil {
			return nil, err
		}
		at = filepath.Join(at, name)
		next, fault := openBelow(dir, name, at)
		if errors.Is(fault, unix.ELOOP) || errors.Is(fault, unix.ENOTDIR) {
			fault = fmt.Errorf("state directory %s: %s is a symbolic link or not a directory: give a path without symbolic links: %w", path, at, fault)
		}
		err = errors.Join(fault, dir.Close())
		dir = next
	}
	return dir, err
}

// openBelow opens a directory in dir, and makes it if it is not there.
func openBelow(dir *os.File, name, path string) (*os.File, error) {
	for made := false; ; made = true {
		fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == nil {
			return os.NewFile(uintptr(fd), path), nil
		}
		if !errors.Is(err, unix.ENOENT) || made {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		if err := unix.Mkdirat(int(dir.Fd()), name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, &fs.PathError{Op: "mkdir", Path: path, Err: err}
		}
	}
}

// openSame opens stateDir as a root, and makes sure that it is dir.
func openSame(stateDir string, dir *os.File) (*os.Root, error) {
	root, err := os.OpenRoot(stateDir)
	if err != nil {
		return nil, err
	}
	here, err := dir.Stat()
	there, err2 := root.Stat(".")
	if err = errors.Join(err, err2); err == nil && !os.SameFile(here, there) {
		err = fmt.Errorf("state directory %s was replaced while in use: check which users can write to its parent directories", stateDir)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// placeIn gives the file away before it has its name, by its descriptor.
func placeIn(root *os.Root, name string, data []byte, uid int) error {
	tmp := "." + name + "." + rand.Text()
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o600), f.Chown(uid, -1), f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		_ = root.Remove(tmp)
	}
	return err
}
