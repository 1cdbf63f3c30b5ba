package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Free space below which the state directory is a warning and a fault, in bytes.
const (
	spaceWarning = 100 << 20
	spaceFault   = 4 << 20
)

// hostCertificate looks at what the agent attests with. A new host certificate is a
// new enrollment.
func (x *examination) hostCertificate(context.Context) []Finding {
	again := "enroll again with a new token and --new-host"
	if _, err := os.Stat(x.Dir.HostFile()); err != nil {
		if hidden := rootOnly(err); hidden != nil {
			return hidden
		}
		return Bad(Fault, "enroll this host: `"+x.Program+" enroll --help`; if its files are elsewhere, name their directory with --host-dir",
			"this host is not enrolled: %s", without(x.Dir.HostFile(), err))
	}
	if _, err := x.Dir.ReadHost(); err != nil {
		if hidden := rootOnly(err); hidden != nil {
			return hidden
		}
		return Bad(Fault, again, "%v", err)
	}
	if x.enrollment.Ephemeral {
		return Unseen("an ephemeral host has no certificate")
	}
	certs, err := readCertificates(x.Dir.Certificate())
	if hidden := rootOnly(err); hidden != nil {
		return hidden
	}
	if err != nil || len(certs) == 0 {
		return Bad(Fault, again, "%s holds no certificate%s", x.Dir.Certificate(), because(err))
	}
	key, err := os.Stat(x.Dir.Key())
	switch {
	case err != nil:
		return Bad(Fault, again, "the host key is missing: %s", without(x.Dir.Key(), err))
	case key.Mode().Perm()&0o077 != 0:
		return Bad(Fault, "chmod 0600 "+x.Dir.Key()+"; if another user may have read it, enroll again with --new-host", "other users may read the host key (%v)", key.Mode())
	}
	return x.verifyHost(certs[0], again)
}

// without says that a file is not there, or why it cannot be looked at.
func without(path string, err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return path + " does not exist"
	}
	return path + " cannot be read" + because(err)
}

// because is the reason of an error, empty for none. What failed is said before it.
func because(err error) string {
	if err == nil {
		return ""
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return ": " + err.Error()
}

func (x *examination) verifyHost(c *x509.Certificate, again string) []Finding {
	id, err := identity.HostFromCertificate(c, x.td)
	if err != nil || id != x.enrollment.HostID {
		return Bad(Fault, again, "the host certificate is of host %q, and host.json of %q", id, x.enrollment.HostID)
	}
	anchors, err := bootstrap.LoadAnchors(x.Dir.ControllerCA())
	if err != nil {
		return Bad(Fault, again, "%v", err)
	}
	_, err = c.Verify(x509.VerifyOptions{Roots: anchors, CurrentTime: x.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return Bad(Fault, "check the clock; if it is right, "+again, "the host certificate is not good: %v", err)
	}
	return Good("host %s, certificate valid until %s", id, day(c.NotAfter))
}

// bundle looks at what an agent that starts now would trust.
func (x *examination) bundle(context.Context) []Finding {
	refresh := "`" + x.Program + " refresh-bundle` fetches the current one; the agent's supervisor does it by itself while it reaches the controller"
	certs, err := readCertificates(x.Dir.Bundle())
	if hidden := rootOnly(err); hidden != nil {
		return hidden
	}
	if err != nil || len(certs) == 0 {
		return Bad(Fault, refresh, "%s holds no authority%s", x.Dir.Bundle(), because(err))
	}
	good := 0
	for _, c := range certs {
		if now := x.Now(); now.After(c.NotBefore) && now.Before(c.NotAfter) {
			good++
		}
	}
	age := "of unknown age"
	if info, err := os.Stat(x.Dir.Bundle()); err == nil {
		age = "written " + health.Span(x.Now().Sub(info.ModTime()).Round(time.Minute)) + " ago"
	}
	if good == 0 {
		return Bad(Fault, refresh+"; if the clock of this host is wrong (see clock), set it first",
			"every authority in %s has expired, or is not valid yet, by the clock of this host (%s); the file was %s", x.Dir.Bundle(), moment(x.Now()), age)
	}
	return Good("%s was %s, authorities in it: %d, valid now: %d", x.Dir.Bundle(), age, len(certs), good)
}

// stateDir is where the policy or the directory survives a restart.
func (x *examination) stateDir(context.Context) []Finding {
	dir := x.StateDir
	if x.program != nil {
		dir = x.program.StateDir
	}
	if dir == "" {
		if x.program == nil {
			return Unseen("the conf file sets no STATE_DIR, and the unit has not created one")
		}
		return Bad(Warning, "write STATE_DIR=/a/directory/of/its/own into "+x.Conf+" and restart the program, which makes that directory; the unit sets it by itself",
			"nothing is stored on disk: after a restart the program needs a controller")
	}
	uid := nobody
	if x.program != nil {
		uid = x.program.Process.UID
	}
	out := Directory(dir, uid)
	if x.StateDir != "" && x.StateDir != dir {
		out = append(out, Bad(Warning, "set STATE_DIR in "+x.Conf+", so that commands find it too",
			"the program keeps its state in %s, but commands on this host look in %s", dir, x.StateDir)...)
	}
	return out
}

// Directory looks at a directory that a program keeps its state in. Whether this
// user may write to it is asked only where the user is known, that is not negative.
func Directory(dir string, uid int) []Finding {
	info, err := os.Stat(dir)
	var space unix.Statfs_t
	if err == nil {
		err = unix.Statfs(dir, &space)
	}
	if hidden := rootOnly(err); hidden != nil {
		return hidden
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Bad(Warning, "start the program, which creates it", "%s does not exist", dir)
	case err != nil:
		return Bad(Fault, "check the configured path", "%s", without(dir, err))
	case !info.IsDir():
		return Bad(Fault, "check the configured path", "%s is not a directory", dir)
	}
	if st, known := info.Sys().(*syscall.Stat_t); known && uid >= 0 && !may(info, uid, 0o2) {
		return Bad(Fault, "chown it to user "+strconv.Itoa(uid), "%s belongs to user %d, and the program, user %d, cannot write to it", dir, st.Uid, uid)
	}
	return enough(dir, space.Bavail*uint64(space.Bsize), space.Files > 0 && space.Ffree == 0) //nolint:gosec // a block size is positive
}

func enough(dir string, free uint64, noInodes bool) []Finding {
	const do = "free space on this file system: state that cannot be written is lost with the next restart"
	switch {
	case noInodes:
		return Bad(Fault, do, "no inode is left for %s", dir)
	case free < spaceFault:
		return Bad(Fault, do, "%d KiB are free for %s", free>>10, dir)
	case free < spaceWarning:
		return Bad(Warning, do, "%d MiB are free for %s", free>>20, dir)
	}
	return Good("%s can be written, %d MiB are free", dir, free>>20)
}
