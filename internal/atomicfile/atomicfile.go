package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrTooLarge is returned by Read.
var ErrTooLarge = errors.New("file is larger than expected")

// ErrDiskFull is in an error of Write, Create and Explain.
var ErrDiskFull = errors.New("disk full")

// Write replaces path with data. When it returns nil both the data and the name
// are on the disk.
func Write(path string, data []byte, mode fs.FileMode) error {
	return place(path, data, mode, os.Rename)
}

// Create is Write for a path where nothing is yet: otherwise it changes nothing and
// returns fs.ErrExist.
func Create(path string, data []byte, mode fs.FileMode) error {
	return place(path, data, mode, func(tmp, path string) error {
		if err := os.Link(tmp, path); err != nil {
			return err
		}
		return os.Remove(tmp)
	})
}

// place writes a temporary file beside path and has it moved there.
func place(path string, data []byte, mode fs.FileMode, move func(tmp, path string) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return Explain(path, err)
	}
	if err := fill(tmp, data, mode); err != nil {
		_ = os.Remove(tmp.Name())
		return Explain(path, fmt.Errorf("write %s: %w", path, err))
	}
	if err := move(tmp.Name(), path); err != nil {
		_ = os.Remove(tmp.Name())
		return Explain(path, err)
	}
	return syncDir(filepath.Dir(path))
}

// Explain says "disk full" and where, if that is why path could not be written.
func Explain(path string, err error) error {
	if errors.Is(err, ErrDiskFull) {
		return err
	}
	for _, why := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, why) {
			return Full(path, why)
		}
	}
	return err
}

// Full is the error of a path that could not be written because of why, which only the
// caller knows to mean that the disk is full.
func Full(path string, why error) error {
	return fmt.Errorf("%w: %s cannot be written (%w): make room there", ErrDiskFull, path, why)
}

// fill closes f in every case.
func fill(f *os.File, data []byte, mode fs.FileMode) error {
	_, err := f.Write(data)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Read reads at most limit bytes: a state file that grew beyond what its writer
// could have made is not read into memory.
func Read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: %w", path, ErrTooLarge)
	}
	return data, nil
}
