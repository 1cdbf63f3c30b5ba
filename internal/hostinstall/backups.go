package hostinstall

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// accountFiles are those of which the tools that make and remove a user leave a backup,
// with "-" behind the name. Their lock, /etc/.pwd.lock, is left alone: whoever waits for
// it has the file open, and another file of that name is another lock.
var accountFiles = []string{"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"}

// accountBackups are the backups as they were before the run. One that somebody else's
// tool wrote since is newer, and stays.
type accountBackups struct {
	host    Host
	before  map[string]*aside
	now     map[string]*aside // as our own tools left them
	foreign map[string]bool
}

func (h Host) accountBackups() (*accountBackups, error) {
	b := &accountBackups{host: h, foreign: map[string]bool{}}
	var err error
	b.before, err = h.setAsideAll("-")
	b.now = b.before
	return b, err
}

// during runs one of our own tools. It makes a backup of each file that it changes:
// whatever else is there then is somebody else's.
func (b *accountBackups) during(tool func() error) error {
	if err := b.look(nil, nil); err != nil {
		return err
	}
	before, err := b.host.setAsideAll("")
	if err != nil {
		return err
	}
	fault := tool()
	after, err := b.host.setAsideAll("")
	if err != nil {
		return errors.Join(fault, err)
	}
	return errors.Join(fault, b.look(before, after))
}

// look notes which backups somebody else made since the last time; before and after are
// the files around a tool of our own, if there was one.
func (b *accountBackups) look(before, after map[string]*aside) error {
	now, err := b.host.setAsideAll("-")
	if err != nil {
		return err
	}
	for _, file := range accountFiles {
		ours := now[file].same(b.now[file])
		if !before[file].same(after[file]) {
			ours = now[file].same(before[file])
		}
		b.foreign[file] = b.foreign[file] || !ours
	}
	b.now = now
	return nil
}

func (b *accountBackups) restore() error {
	if err := b.look(nil, nil); err != nil {
		return err
	}
	var faults []error
	for _, file := range accountFiles {
		if !b.foreign[file] {
			faults = append(faults, b.host.restore(file+"-", b.before[file]))
		}
	}
	return errors.Join(faults...)
}

// aside is a small file as it was, nil where there was none.
type aside struct {
	content  []byte
	mode     fs.FileMode
	uid, gid int
}

func (a *aside) same(b *aside) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.content, b.content)
}

func (h Host) setAsideAll(suffix string) (map[string]*aside, error) {
	out := map[string]*aside{}
	for _, file := range accountFiles {
		a, err := h.setAside(file + suffix)
		if err != nil {
			return nil, err
		}
		out[file] = a
	}
	return out, nil
}

func (h Host) setAside(path string) (*aside, error) {
	info, err := os.Lstat(h.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there was none
	}
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(h.at(path))
	a := &aside{content: content, mode: info.Mode().Perm()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		a.uid, a.gid = int(st.Uid), int(st.Gid)
	}
	return a, err
}

func (h Host) restore(path string, a *aside) error {
	to := h.at(path)
	if a == nil {
		return remove(to)
	}
	if err := write(to+newSuffix, bytes.NewReader(a.content), a.mode); err != nil {
		return err
	}
	return errors.Join(os.Lchown(to+newSuffix, a.uid, a.gid), os.Rename(to+newSuffix, to))
}
