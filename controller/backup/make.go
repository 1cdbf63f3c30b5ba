package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
)

// MakeConfig configures Make.
type MakeConfig struct {
	Dir      string // data directory
	Contents Contents
	// Manifest has what is known of the controller; Make fills in the rest.
	Manifest Manifest
	// SealKey asks for the seal key to be in the backup.
	SealKey bool
	Now     func() time.Time
	// Progress is called with each step. Optional.
	Progress func(step string)
}

// Made is a backup that was written.
type Made struct {
	Size     int64
	SHA256   string // of the whole file
	Manifest Manifest
}

// maxKeyFile bounds a file that is copied as it is.
const maxKeyFile = 16 << 20

// rounds is how often the keys are read again that change while the databases are copied.
const rounds = 5

// ErrChanging is of keys that changed whenever they were read.
var ErrChanging = errors.New("the keys change all the time, probably because of a CA rotation: run the backup again when that has ended")

// Make writes a backup to file, where nothing may be yet. Errors: fs.ErrExist.
func Make(ctx context.Context, cfg MakeConfig, file string) (out Made, err error) {
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if _, err := os.Lstat(file); err == nil {
		return out, fmt.Errorf("%s: %w: choose another name", file, fs.ErrExist)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(file), ".grpccontroller-backup-")
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	cfg.Contents.Databases = slices.DeleteFunc(slices.Clone(cfg.Contents.Databases), func(name string) bool {
		_, err := os.Stat(filepath.Join(cfg.Dir, filepath.FromSlash(name)))
		return errors.Is(err, fs.ErrNotExist)
	})
	names, err := cfg.collect(ctx, tmp)
	if err != nil {
		return out, atomicfile.Explain(file, err)
	}
	m := cfg.Manifest
	m.Format, m.CreatedAt, m.SealKey, m.SPIRE = format, cfg.Now().UTC().Truncate(time.Second), cfg.SealKey, len(cfg.Contents.Databases) > 0
	for _, name := range names {
		e, err := entryOf(tmp, name)
		if err != nil {
			return out, err
		}
		m.Entries = append(m.Entries, e)
	}
	cfg.Progress("writing " + file)
	out.Manifest = m
	if out.Size, out.SHA256, err = write(ctx, tmp, m, file); err != nil {
		return out, atomicfile.Explain(file, err)
	}
	return out, nil
}

// collect copies everything into a directory and returns the names.
func (cfg MakeConfig) collect(ctx context.Context, tmp string) ([]string, error) {
	for range rounds {
		if err := clearDir(tmp); err != nil {
			return nil, err
		}
		before, err := cfg.keys()
		if err != nil {
			return nil, err
		}
		for name, data := range before {
			if err := put(filepath.Join(tmp, filepath.FromSlash(name)), data); err != nil {
				return nil, err
			}
		}
		if err := cfg.snapshots(ctx, tmp); err != nil {
			return nil, err
		}
		after, err := cfg.keys()
		if err != nil {
			return nil, err
		}
		if maps.EqualFunc(before, after, bytes.Equal) {
			return slices.Concat(slices.Sorted(maps.Keys(before)), cfg.Contents.databases()), nil
		}
		cfg.Progress("keys have changed meanwhile, reading them again")
	}
	return nil, ErrChanging
}

func (cfg MakeConfig) snapshots(ctx context.Context, tmp string) error {
	for _, name := range cfg.Contents.databases() {
		cfg.Progress("copying " + name)
		into := filepath.Join(tmp, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(into), 0o700); err != nil {
			return err
		}
		if err := store.Snapshot(ctx, filepath.Join(cfg.Dir, filepath.FromSlash(name)), into); err != nil {
			return err
		}
		if err := store.Examine(ctx, into, name == cfg.Contents.Database); err != nil {
			return err
		}
	}
	return nil
}

// keys reads the files that are copied as they are.
func (cfg MakeConfig) keys() (map[string][]byte, error) {
	out := map[string][]byte{}
	roots := slices.Clone(cfg.Contents.Files)
	if cfg.SealKey {
		if _, err := os.Stat(filepath.Join(cfg.Dir, filepath.FromSlash(cfg.Contents.SealKey))); err != nil {
			return nil, fmt.Errorf("seal key: %w", err)
		}
		roots = append(roots, cfg.Contents.SealKey)
	}
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(cfg.Dir, filepath.FromSlash(root)), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			name, err := filepath.Rel(cfg.Dir, path)
			if err != nil {
				return err
			}
			data, err := atomicfile.Read(path, maxKeyFile)
			if errors.Is(err, fs.ErrNotExist) { // a temporary file of its writer
				return nil
			}
			out[filepath.ToSlash(name)] = data
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func put(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func clearDir(dir string) error {
	all, err := os.ReadDir(dir)
	for _, e := range all {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func entryOf(dir, name string) (Entry, error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return Entry{}, err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return Entry{Name: name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}
