package install

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Bounds of a tree: far above what a release has.
const (
	maxFiles    = 256
	maxFileSize = 512 << 20
	maxSize     = 2 << 30
	maxVersion  = 128 // bytes
)

// Files of a tree that this package knows by name.
const (
	versionFile = "VERSION"
	sumsFile    = "SHA256SUMS"
	sigFile     = "SHA256SUMS.sig"
	publicFile  = "release.pub"
)

// ErrNoTree is returned by OpenTree for a directory that does not exist.
var ErrNoTree = errors.New("there is no install tree")

// element is a part of a path that means the same in a shell, in a URL and on a
// disk, and is not hidden.
var element = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

var version = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]*$`)

// Tree is a directory as it was when it was opened.
type Tree struct {
	dir     string
	version string
	files   map[string]file // by path within the tree
	sums    []byte
}

// file is one that was hashed, and how to see that it still is that one.
type file struct {
	path    string
	sum     string // hex
	size    int64
	changed time.Time
	dev     uint64
	inode   uint64
}

// OpenTree reads and hashes a whole tree. Whatever in it is not a regular file that
// only root or this user can change is an error: these bytes run as root on every
// new host. Errors: ErrNoTree.
func OpenTree(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s", ErrNoTree, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open install tree: %w", err)
	}
	defer func() { _ = root.Close() }()
	t := &Tree{dir: dir, files: map[string]file{}}
	if err := t.walk(root); err != nil {
		return nil, fmt.Errorf("install tree %s: %w", dir, err)
	}
	if err := t.readVersion(root); err != nil {
		return nil, fmt.Errorf("install tree %s: %w", dir, err)
	}
	t.sums = t.sha256sums()
	return t, nil
}

func (t *Tree) walk(root *os.Root) error {
	var size int64
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := checkEntry(path, d); err != nil || d.IsDir() {
			return err
		}
		if len(t.files) == maxFiles {
			return fmt.Errorf("holds more than %d files", maxFiles)
		}
		f, err := hash(root, path)
		if err != nil {
			return err
		}
		if size += f.size; size > maxSize {
			return fmt.Errorf("holds more than %d bytes", int64(maxSize))
		}
		t.files[path] = f
		return nil
	})
}

func checkEntry(path string, d fs.DirEntry) error {
	if path != "." && !element.MatchString(d.Name()) {
		return fmt.Errorf("%q is not a name that can be served", path)
	}
	if path == sumsFile || path == sigFile || path == publicFile {
		return fmt.Errorf("%s is made by the controller and must not be in the tree", path)
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !d.IsDir() && !d.Type().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others than its owner (%s)", path, info.Mode())
	case !ok || owner.Uid != 0 && int(owner.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to neither root nor this user", path)
	}
	return nil
}

// open never waits, as opening a FIFO would, and follows no link out of the tree.
func open(root *os.Root, path string) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func hash(root *os.Root, path string) (file, error) {
	f, info, err := open(root, path)
	if err != nil {
		return file{}, err
	}
	defer func() { _ = f.Close() }()
	if info.Size() > maxFileSize {
		return file{}, fmt.Errorf("%s is larger than %d bytes", path, int64(maxFileSize))
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return file{}, err
	}
	out := seen(path, info)
	if out.sum = hex.EncodeToString(h.Sum(nil)); n != out.size {
		return file{}, fmt.Errorf("%s changed while it was read", path)
	}
	return out, nil
}

// seen is all of a file but its hash.
func seen(path string, info fs.FileInfo) file {
	f := file{path: path, size: info.Size(), changed: info.ModTime()}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		f.dev, f.inode = s.Dev, s.Ino
	}
	return f
}

// same says whether what is on the disk now is what was hashed.
func (f file) same(info fs.FileInfo) bool {
	now := seen(f.path, info)
	now.sum = f.sum
	return info.Mode().IsRegular() && now == f
}

func (t *Tree) readVersion(root *os.Root) error {
	f, _, err := open(root, versionFile)
	if err != nil {
		return fmt.Errorf("%w: is this an install tree?", err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxVersion+1))
	if err != nil {
		return err
	}
	if t.version = string(bytes.TrimSuffix(raw, []byte("\n"))); len(raw) > maxVersion || !version.MatchString(t.version) {
		return fmt.Errorf("%s is not one line with a version", versionFile)
	}
	return nil
}

// sha256sums is what sha256sum(1) prints, sorted by path.
func (t *Tree) sha256sums() []byte {
	var out bytes.Buffer
	for _, path := range t.paths() {
		fmt.Fprintf(&out, "%s  %s\n", t.files[path].sum, path)
	}
	return out.Bytes()
}

func (t *Tree) paths() []string {
	out := make([]string, 0, len(t.files))
	for path := range t.files {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

// Version is that of the programs in the tree.
func (t *Tree) Version() string { return t.version }

// Has says whether a path is in the tree.
func (t *Tree) Has(path string) bool {
	_, ok := t.files[path]
	return ok
}

// Files is how many files the tree has, and Size their length in bytes.
func (t *Tree) Files() int { return len(t.files) }

// Size is the length of all files in bytes.
func (t *Tree) Size() int64 {
	var n int64
	for _, f := range t.files {
		n += f.size
	}
	return n
}

// Platforms are the directories of programs, such as linux-amd64.
func (t *Tree) Platforms() []string {
	var out []string
	for _, path := range t.paths() {
		if dir, _, ok := strings.Cut(path, "/"); ok && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

// reopen opens a file that was hashed. It is not ok when it is another one now, or
// cannot be read.
func (t *Tree) reopen(f file) (_ *os.File, ok bool) {
	root, err := os.OpenRoot(t.dir)
	if err != nil {
		return nil, false
	}
	defer func() { _ = root.Close() }()
	got, info, err := open(root, f.path)
	if err != nil {
		return nil, false
	}
	if !f.same(info) {
		_ = got.Close()
		return nil, false
	}
	return got, true
}
