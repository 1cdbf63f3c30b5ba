package hostinstall

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
)

// uninstall removes the role, and with the last role what all roles of a host share.
func (i *Installer) uninstall(ctx context.Context) error {
	var f faults
	i.checkMachine(&f, "systemctl", "userdel", "usermod", "getent")
	if len(f) == 0 && i.packaged(ctx, i.role.program) != "" {
		f.add("%[1]s comes from a package on this host: apt-get purge %[1]s (or dnf remove %[1]s)", i.role.program)
	}
	if err := f.err(); err != nil {
		return i.failed(ctx, err)
	}
	if err := i.lock(); err != nil {
		return i.failed(ctx, err)
	}
	conf, err := i.host.read(i.role.conf)
	if err != nil {
		return err
	}
	i.begin("Removing %s", i.role.program)
	err = errors.Join(
		i.stopUnit(ctx, i.role.unit), i.removePack(pack{i.role.program}),
		i.removePaths("/etc/"+i.role.program, "/var/lib/"+i.role.program, "/var/lib/private/"+i.role.program),
		i.removeAgent(ctx), i.act(ctx, "systemctl", "daemon-reload"),
	)
	if !i.opt.DryRun {
		_ = i.host.run(ctx, "systemctl", "reset-failed", i.role.unit, agentUnit) // there is nothing to reset, mostly
	}
	if err != nil {
		return fmt.Errorf("not all is removed: %w", err)
	}
	if id := envfile.Value(conf, i.role.idKey()); id != "" {
		i.say("It is still enrolled at the controller. On the controller, revoke it:\n      grpccontroller %ss revoke %s", i.role.kind, id)
	}
	if i.opt.DryRun {
		i.say("Nothing was changed.")
	} else {
		i.say("Done.")
	}
	return nil
}

// act runs a command, or says so.
func (i *Installer) act(ctx context.Context, name string, args ...string) error {
	if i.opt.DryRun {
		i.say("%s", Call{Name: name, Args: args})
		return nil
	}
	return i.host.run(ctx, name, args...)
}

// stopUnit stops a unit if it is there.
func (i *Installer) stopUnit(ctx context.Context, unit string) error {
	if load := i.property(ctx, unit, "LoadState"); load == "not-found" || load == "" {
		return nil
	}
	return i.act(ctx, "systemctl", "--quiet", "disable", "--now", unit)
}

// removePack removes the files of a package, and directories that are empty then.
func (i *Installer) removePack(pk pack) error {
	var faults []error
	for _, pattern := range pk.patterns() {
		for _, suffix := range []string{"", oldSuffix, newSuffix} {
			found, _ := filepath.Glob(i.host.at(pattern + suffix))
			for _, path := range found {
				faults = append(faults, i.removeFile("/"+strings.TrimPrefix(strings.TrimPrefix(path, i.host.Root), "/")))
			}
		}
	}
	return errors.Join(faults...)
}

func (i *Installer) removeFile(path string) error {
	if i.opt.DryRun {
		i.say("rm -f %s", path)
		return nil
	}
	if err := remove(i.host.at(path)); err != nil {
		return err
	}
	dir := filepath.Dir(path) // and those above, as long as they are empty
	for strings.HasPrefix(dir, "/usr/share/") && os.Remove(i.host.at(dir)) == nil {
		dir = filepath.Dir(dir)
	}
	return nil
}

func (i *Installer) removePaths(paths ...string) error {
	var faults []error
	for _, path := range paths {
		switch {
		case !i.host.exists(path):
		case i.opt.DryRun:
			i.say("rm -rf %s", path)
		default:
			faults = append(faults, os.RemoveAll(i.host.at(path)))
		}
	}
	return errors.Join(faults...)
}

// removeAgent: with the last role goes what the roles share.
func (i *Installer) removeAgent(ctx context.Context) error {
	if other := i.otherRole(); other != "" {
		i.say("The SPIRE agent stays: %s uses it.", other)
		return nil
	}
	if i.packaged(ctx, agentPackage) != "" {
		i.say("The SPIRE agent stays: it comes from the package %s.", agentPackage)
		return nil
	}
	if !i.host.exists(agentProgram) && !i.host.exists("/etc/grpc-spire-agent") && !i.host.exists(hostDir+"/host.key") {
		return nil
	}
	var f faults
	if i.checkAgent(ctx, &f); len(f) > 0 {
		i.say("The SPIRE agent of this host is not ours, and stays.")
		return nil
	}
	return errors.Join(
		i.stopUnit(ctx, agentUnit), i.removePack(pack{agentPackage}), i.removePaths(agentDir, "/etc/grpc-spire-agent", hostDir),
		i.removeAgentUser(ctx), i.removePaths(madeFile),
	)
}

// removeAgentUser: an operator may have a user of that name, which was there before.
func (i *Installer) removeAgentUser(ctx context.Context) error {
	text, err := i.host.read(madeFile)
	uid := i.uidOfAgent(ctx)
	if err != nil || uid == "" || !strings.Contains("\n"+text, "\nuser "+uid+"\n") {
		return err
	}
	// userdel takes along the group of the same name, unless it is not the user's.
	if !strings.Contains("\n"+text, "\ngroup\n") {
		nobody := "nogroup"
		if i.host.ask(ctx, "getent", "group", nobody) == "" {
			nobody = "nobody"
		}
		if err := i.act(ctx, "usermod", "-g", nobody, agentUser); err != nil {
			return err
		}
	}
	return i.act(ctx, "userdel", agentUser)
}
