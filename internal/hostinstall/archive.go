package hostinstall

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// Bounds of an archive: far above what a release has.
const (
	maxMembers  = 256
	maxUnpacked = 1 << 30
)

// archive is a verified download. It is read twice, for the plan and when its files are
// placed, rather than unpacked somewhere.
type archive struct {
	pack pack
	file string
	most int64 // bytes that it may unpack to, with what tar adds
}

// member is a file of an archive.
type member struct {
	path string // on the host
	size int64
	sum  [sha256.Size]byte
	mode fs.FileMode
}

// plainName is a path that means the same to everybody.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/-]*$`)

// members lists the files, if all are plain files at their places.
func (a archive) members() (out []member, err error) {
	seen := map[string]bool{}
	err = a.each(func(path string, r io.Reader) error {
		h := sha256.New()
		n, err := io.Copy(h, r)
		if err != nil || len(out) == maxMembers || seen[path] {
			return a.broken()
		}
		seen[path] = true
		m := member{path: path, size: n, mode: modeOf(path)}
		h.Sum(m.sum[:0])
		out = append(out, m)
		return nil
	})
	if err == nil && len(out) == 0 {
		err = a.broken()
	}
	return out, err
}

// each calls f for every file. It reads no further than the bound, whatever the
// archive says of itself.
func (a archive) each(f func(path string, r io.Reader) error) error {
	file, err := os.Open(a.file)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	z, err := gzip.NewReader(file)
	if err != nil {
		return a.broken()
	}
	bounded := &io.LimitedReader{R: z, N: a.most + 1}
	for r := tar.NewReader(bounded); ; {
		h, err := r.Next()
		if bounded.N <= 0 {
			return a.broken()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // that one is reported below
			return a.broken()
		}
		path := "/" + strings.TrimSuffix(h.Name, "/")
		if !plainName.MatchString(h.Name) || strings.Contains(path+"/", "/../") || h.Typeflag != tar.TypeDir && (h.Typeflag != tar.TypeReg || !a.pack.holds(path)) {
			return fmt.Errorf("%s.tar.gz holds the unexpected file %q", a.pack.name, h.Name)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if err := f(path, r); err != nil {
			return err
		}
	}
}

func (a archive) broken() error {
	return fmt.Errorf("%s.tar.gz is not an archive of a release", a.pack.name)
}

// modeOf is not what the archive says.
func modeOf(path string) fs.FileMode {
	if strings.HasPrefix(path, "/usr/bin/") || strings.HasPrefix(path, agentDir+"/") {
		return 0o755
	}
	return 0o644
}

// same says whether the host has this file already: these bytes, this mode, nobody
// else's.
func (h Host) same(m member) bool {
	info, err := os.Lstat(h.at(m.path))
	if err != nil || info.Mode() != m.mode || info.Size() != m.size || ownerOf(info) != os.Geteuid() {
		return false
	}
	f, err := os.Open(h.at(m.path))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return err == nil && [sha256.Size]byte(sum.Sum(nil)) == m.sum
}
