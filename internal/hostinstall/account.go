package hostinstall

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// bystanders are files that the tools that make and remove a user leave beside those
// that they change.
var bystanders = []string{"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock"}

// account makes the user of the SPIRE agent and its directory, as the package does.
func (i *Installer) account(ctx context.Context) error {
	if i.host.ask(ctx, "getent", "passwd", agentUser) == "" {
		if err := i.makeUser(ctx); err != nil {
			return err
		}
	}
	info, err := os.Lstat(i.host.at(hostDir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		i.changes.Undo("remove "+hostDir, func(context.Context) error { return i.removeHostDir() })
	case err != nil:
		return err
	default:
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			i.changes.Undo("give back "+hostDir, func(context.Context) error { return os.Lchown(i.host.at(hostDir), int(st.Uid), int(st.Gid)) })
		}
	}
	return i.host.run(ctx, "systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/"+agentPackage+".conf")
}

func (i *Installer) makeUser(ctx context.Context) error {
	beside := map[string]*aside{}
	for _, path := range bystanders {
		a, err := i.setAside(path)
		if err != nil {
			return err
		}
		beside[path] = a
	}
	if err := i.changes.MakeDirs(filepath.Dir(madeFile)); err != nil {
		return err
	}
	i.changes.Undo("remove the user "+agentUser, func(ctx context.Context) error { return i.removeUser(ctx, beside) })
	var made strings.Builder
	if !i.host.exists(hostDir) {
		made.WriteString("path " + hostDir + "\n")
	}
	if i.host.ask(ctx, "getent", "group", agentUser) == "" {
		made.WriteString("group\n")
	}
	if err := i.host.run(ctx, "systemd-sysusers", "/usr/lib/sysusers.d/"+agentPackage+".conf"); err != nil {
		return err
	}
	made.WriteString("user " + i.uidOfAgent(ctx) + "\n")
	return i.changes.Place(madeFile, strings.NewReader(made.String()), 0o644)
}

// uidOfAgent is empty where there is no such user.
func (i *Installer) uidOfAgent(ctx context.Context) string {
	if user := strings.Split(i.host.ask(ctx, "getent", "passwd", agentUser), ":"); len(user) > 2 {
		return user[2]
	}
	return ""
}

// aside is a small file as it was, nil content where there was none.
type aside struct {
	content  []byte
	mode     fs.FileMode
	uid, gid int
}

func (i *Installer) setAside(path string) (*aside, error) {
	info, err := os.Lstat(i.host.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there was none
	}
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(i.host.at(path))
	a := &aside{content: content, mode: info.Mode().Perm()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		a.uid, a.gid = int(st.Uid), int(st.Gid)
	}
	return a, err
}

func (i *Installer) restore(path string, a *aside) error {
	if a == nil {
		return remove(i.host.at(path))
	}
	to := i.host.at(path)
	if err := write(to+newSuffix, strings.NewReader(string(a.content)), a.mode); err != nil {
		return err
	}
	return errors.Join(os.Lchown(to+newSuffix, a.uid, a.gid), os.Rename(to+newSuffix, to))
}

func (i *Installer) removeUser(ctx context.Context, beside map[string]*aside) error {
	var faults []error
	if i.uidOfAgent(ctx) != "" {
		faults = append(faults, i.host.run(ctx, "userdel", agentUser))
	}
	for _, path := range bystanders {
		faults = append(faults, i.restore(path, beside[path]))
	}
	return errors.Join(faults...)
}

// removeHostDir never removes a key that the controller may know. Root owns it until
// the next try, for the user goes.
func (i *Installer) removeHostDir() error {
	if !i.keepKey {
		return os.RemoveAll(i.host.at(hostDir))
	}
	root, err := os.OpenRoot(i.host.at(hostDir)) // no link in it leads out of it
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, os.Geteuid(), os.Getegid())
	})
}
