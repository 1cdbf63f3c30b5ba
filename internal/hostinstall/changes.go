package hostinstall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// What a file is called while there are two of it.
const (
	oldSuffix = ".before-setup" // the one of before the run, a second name for it
	newSuffix = ".by-setup"     // the new one, until it is whole
)

// Changes are what a run did to a host, and how each of them is undone. How to undo
// comes first, so that an end at any moment leaves nothing that is not noted; it must
// be right whether or not the change was made.
type Changes struct {
	host      Host
	undo      []undo
	preserved []string
}

type undo struct {
	what string
	do   func(ctx context.Context) error
}

// NewChanges starts an empty list.
func NewChanges(h Host) *Changes { return &Changes{host: h} }

// Undo notes how to take back what the caller is about to do.
func (c *Changes) Undo(what string, do func(ctx context.Context) error) {
	c.undo = append(c.undo, undo{what, do})
}

// Empty says whether there is nothing to take back.
func (c *Changes) Empty() bool { return len(c.undo) == 0 }

// RollBack undoes everything, the last first, and continues after a fault: the
// error has all of them.
func (c *Changes) RollBack(ctx context.Context) error {
	var faults []error
	for _, u := range slices.Backward(c.undo) {
		if err := u.do(ctx); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", u.what, err))
		}
	}
	c.undo, c.preserved = nil, nil
	return errors.Join(faults...)
}

// Keep ends it: what was done stays. The second names go.
func (c *Changes) Keep() {
	for _, path := range c.preserved {
		_ = os.Remove(c.host.at(path + oldSuffix)) // the next run removes it as well
	}
	c.undo, c.preserved = nil, nil
}

// change asks the test, if there is one.
func (c *Changes) change(what string) error {
	if c.host.Before == nil {
		return nil
	}
	return c.host.Before(what)
}

// MakeDirs makes the directories that are missing, open to all whatever the umask is.
// Each is removed again if it is empty then.
func (c *Changes) MakeDirs(dir string) error {
	if info, err := os.Stat(c.host.at(dir)); err == nil && info.IsDir() {
		return nil
	}
	if err := c.MakeDirs(filepath.Dir(dir)); err != nil {
		return err
	}
	c.Undo("remove "+dir, func(context.Context) error { return c.removeEmpty(dir) })
	if err := c.change("make " + dir); err != nil {
		return err
	}
	if err := os.Mkdir(c.host.at(dir), 0o755); err != nil {
		return err
	}
	return os.Chmod(c.host.at(dir), 0o755) //nolint:gosec // programs and settings that everybody may read
}

func (c *Changes) removeEmpty(dir string) error {
	entries, err := os.ReadDir(c.host.at(dir))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(c.host.at(dir))
}

// Preserve gives a file a second name, which takes no space: that may be what is
// missing when it has to come back. The file of before the run counts, not one that
// this run made.
func (c *Changes) Preserve(path string) error {
	if !c.host.exists(path) || slices.Contains(c.preserved, path) {
		return nil
	}
	if err := c.change("preserve " + path); err != nil {
		return err
	}
	if err := remove(c.host.at(path + oldSuffix)); err != nil {
		return err
	}
	c.preserved = append(c.preserved, path)
	c.Undo("put back "+path, func(context.Context) error { return c.putBack(path) })
	return os.Link(c.host.at(path), c.host.at(path+oldSuffix))
}

func (c *Changes) putBack(path string) error {
	now, old := c.host.at(path), c.host.at(path+oldSuffix)
	before, err := os.Lstat(old)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was not changed yet
	}
	if err != nil {
		return err
	}
	// Renaming one name of a file to another of the same file does nothing.
	if info, err := os.Lstat(now); err == nil && os.SameFile(info, before) {
		return os.Remove(old)
	}
	return os.Rename(old, now)
}

// Place writes a file. A reader of it sees the old file or the new one, also after a
// loss of power.
func (c *Changes) Place(path string, content io.Reader, mode fs.FileMode) error {
	if err := c.MakeDirs(filepath.Dir(path)); err != nil {
		return err
	}
	if c.host.exists(path) {
		if err := c.Preserve(path); err != nil {
			return err
		}
	} else {
		c.Undo("remove "+path, func(context.Context) error { return remove(c.host.at(path)) })
	}
	c.Undo("remove "+path+newSuffix, func(context.Context) error { return remove(c.host.at(path + newSuffix)) })
	if err := c.change("write " + path); err != nil {
		return err
	}
	if err := write(c.host.at(path+newSuffix), content, mode); err != nil {
		return err
	}
	if err := c.change("rename to " + path); err != nil {
		return err
	}
	return os.Rename(c.host.at(path+newSuffix), c.host.at(path))
}

func write(path string, content io.Reader, mode fs.FileMode) error {
	if err := remove(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

// Open gives others the right to read a file of settings or a directory on the way to
// it, which a narrow umask took from them.
func (c *Changes) Open(path string, add fs.FileMode) error {
	info, err := os.Stat(c.host.at(path))
	if err != nil || info.Mode()&add == add {
		return err
	}
	c.Undo("close "+path, func(context.Context) error { return os.Chmod(c.host.at(path), info.Mode().Perm()) })
	if err := c.change("open " + path); err != nil {
		return err
	}
	return os.Chmod(c.host.at(path), info.Mode().Perm()|add)
}

// remove is right where there is nothing, too.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
