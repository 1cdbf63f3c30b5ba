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
	backups, err := i.host.accountBackups()
	if err != nil {
		return err
	}
	if err := i.changes.MakeDirs(filepath.Dir(madeFile)); err != nil {
		return err
	}
	i.changes.Undo("remove the user "+agentUser, func(ctx context.Context) error { return i.removeUser(ctx, backups) })
	var made strings.Builder
	if !i.host.exists(hostDir) {
		made.WriteString("path " + hostDir + "\n")
	}
	if i.host.ask(ctx, "getent", "group", agentUser) == "" {
		made.WriteString("group\n")
	}
	if err := backups.during(func() error {
		return i.host.run(ctx, "systemd-sysusers", "/usr/lib/sysusers.d/"+agentPackage+".conf")
	}); err != nil {
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

func (i *Installer) removeUser(ctx context.Context, backups *accountBackups) error {
	var fault error
	if i.uidOfAgent(ctx) != "" {
		fault = backups.during(func() error { return i.host.run(ctx, "userdel", agentUser) })
	}
	return errors.Join(fault, backups.restore())
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
