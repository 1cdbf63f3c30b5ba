package directory

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

const (
	cacheFile = "directory.json"
	// maxCache has room for 200,000 connectors with a few addresses each.
	maxCache = 128 << 20
)

// Store keeps d in stateDir. The running tunneler calls it after every change,
// and enrollment with the first directory.
func Store(stateDir string, d *zerotrustv1.Directory) error {
	raw, err := encode(d)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(stateDir, cacheFile), raw, 0o600)
}

// Drop removes the directory that is kept in stateDir, when the host is enrolled anew;
// whose controller it was does not matter. Denials stay.
func Drop(stateDir string, _ bool) error {
	err := os.Remove(filepath.Join(stateDir, cacheFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}

// StoreFor is Store for a state directory that another user's program will use:
// it makes the directory and gives both to that user.
func StoreFor(stateDir string, uid int, d *zerotrustv1.Directory) error {
	if uid == os.Getuid() {
		if err := os.MkdirAll(stateDir, 0o700); err != nil {
			return err
		}
		return Store(stateDir, d)
	}
	return give(stateDir, uid, d)
}

// give writes in a directory that uid may own already: no link that this user makes, at
// any moment, leads to a file of somebody else.
func give(stateDir string, uid int, d *zerotrustv1.Directory) (err error) {
	raw, err := encode(d)
	if err != nil {
		return err
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
	if err := place(root, raw, uid); err != nil {
		return atomicfile.Explain(filepath.Join(stateDir, cacheFile), err)
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

// place gives the file away before it has its name, by its descriptor.
func place(root *os.Root, raw []byte, uid int) error {
	tmp := "." + cacheFile + "." + rand.Text()
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Chmod(0o600), f.Chown(uid, -1), f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(tmp, cacheFile)
	}
	if err != nil {
		_ = root.Remove(tmp)
	}
	return err
}

func encode(d *zerotrustv1.Directory) ([]byte, error) {
	raw, err := protojson.MarshalOptions{Multiline: true}.Marshal(d)
	return append(raw, '\n'), err
}

// load returns nil when there is no file. The file's time of change is when a
// controller last stood behind it.
func load(stateDir string) (*zerotrustv1.Directory, time.Time, error) {
	path := filepath.Join(stateDir, cacheFile)
	raw, err := atomicfile.Read(path, maxCache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	var d zerotrustv1.Directory
	// A later release may have written fields that this one does not know.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, &d); err != nil {
		return nil, time.Time{}, fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	return &d, info.ModTime(), nil
}

// touch notes that a controller stood behind the kept directory until now. Nothing
// depends on it that the next connection would not mend.
func touch(stateDir string) {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(stateDir, cacheFile), now, now)
}
