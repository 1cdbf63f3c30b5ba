package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// write makes the tar file of what is in dir, beside it, and gives it its name when
// everything is on the disk.
func write(ctx context.Context, dir string, m Manifest, file string) (size int64, sum string, err error) {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return 0, "", err
	}
	partial := filepath.Join(dir, "backup.tar")
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, "", err
	}
	hash := sha256.New()
	count := &counter{w: io.MultiWriter(f, hash)}
	t := tar.NewWriter(count)
	err = add(t, m, manifestName, int64(len(raw)), func() error { _, err := t.Write(raw); return err })
	for _, e := range m.Entries {
		if err != nil || ctx.Err() != nil {
			break
		}
		err = add(t, m, e.Name, e.Size, func() error { return copyFile(t, filepath.Join(dir, filepath.FromSlash(e.Name))) })
	}
	if err == nil {
		text := checksum(raw)
		err = add(t, m, checksumName, int64(len(text)), func() error { _, err := io.WriteString(t, text); return err })
	}
	if err := errors.Join(err, ctx.Err(), t.Close(), f.Sync(), f.Close()); err != nil {
		return 0, "", err
	}
	if err := os.Link(partial, file); err != nil {
		return 0, "", err
	}
	return count.n, hex.EncodeToString(hash.Sum(nil)), syncDir(filepath.Dir(file))
}

func checksum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]) + "\n"
}

func add(t *tar.Writer, m Manifest, name string, size int64, fill func() error) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: m.CreatedAt, Format: tar.FormatPAX}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	return fill()
}

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(w, f)
	return err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// extract writes the contents of a backup into a directory, and fails unless each byte
// is what was backed up.
func extract(ctx context.Context, file string, c Contents, dir string) (m Manifest, err error) {
	f, err := os.Open(file)
	if err != nil {
		return m, err
	}
	defer func() { _ = f.Close() }()
	t := tar.NewReader(f)
	raw, err := small(t, manifestName, maxManifest)
	if err != nil {
		return m, err
	}
	if m, err = parseManifest(raw, c); err != nil {
		return m, err
	}
	for _, e := range m.Entries {
		if err := ctx.Err(); err != nil {
			return m, err
		}
		if err := next(t, e.Name, e.Size); err != nil {
			return m, err
		}
		if err := e.extract(t, dir); err != nil {
			return m, err
		}
	}
	sum, err := small(t, checksumName, sha256.Size*2+1)
	if err != nil {
		return m, err
	}
	if string(sum) != checksum(raw) {
		return m, damaged("its list of contents was changed")
	}
	if _, err := t.Next(); !errors.Is(err, io.EOF) {
		return m, damaged("something follows its end")
	}
	return m, nil
}

func (e Entry) extract(r io.Reader, dir string) (err error) {
	path := filepath.Join(dir, filepath.FromSlash(e.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, e.Size))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		var path *fs.PathError
		if errors.As(err, &path) { // of the file that is written
			return err
		}
		return damaged("%s: %v", e.Name, err)
	}
	if n != e.Size || hex.EncodeToString(sum.Sum(nil)) != e.SHA256 {
		return damaged("%s is not what was backed up", e.Name)
	}
	return nil
}

// next finds the entry that has to come.
func next(t *tar.Reader, name string, size int64) error {
	h, err := t.Next()
	if err != nil {
		return damaged("%s: %v", name, err)
	}
	if h.Name != name || h.Typeflag != tar.TypeReg || size >= 0 && h.Size != size || sparse(h) {
		return damaged("%q comes where %s should", h.Name, name)
	}
	return nil
}

// sparse says whether an entry claims more bytes than the file has of it: a few KiB would
// fill the disk with zeros. No backup is written so.
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func small(t *tar.Reader, name string, most int64) ([]byte, error) {
	if err := next(t, name, -1); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(t, most+1))
	if err != nil {
		return nil, damaged("%s: %v", name, err)
	}
	if int64(len(raw)) > most {
		return nil, damaged("%s is too large", name)
	}
	return raw, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}
