package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
)

// paths is the layout of a data directory.
type paths string

func (p paths) in(elem ...string) string {
	return filepath.Join(append([]string{string(p)}, elem...)...)
}

func (p paths) bootstrap() string    { return p.in("bootstrap") }
func (p paths) database() string     { return p.in("controller.db") }
func (p paths) audit() string        { return p.in("audit") }
func (p paths) firstKey() string     { return p.in("bootstrap-api-key") } // of earlier releases
func (p paths) setupLink() string    { return p.in("setup-link") }
func (p paths) sealKey() string      { return p.in("seal.key") }
func (p paths) releaseKey() string   { return p.in("release.key") }
func (p paths) acme() string         { return p.in("acme") }
func (p paths) runFile() string      { return p.in("run.json") }
func (p paths) lock() string         { return p.in("lock") }
func (p paths) spireServer() string  { return p.in("spire", "server") }
func (p paths) serverSocket() string { return p.in("spire", "server.sock") }
func (p paths) host() string         { return p.in("spire", "agent") }
func (p paths) agentSocket() string  { return p.in("spire", "agent.sock") }

// adminSocket is the local admin socket: in the directory that systemd made for the
// unit, else here.
func (p paths) adminSocket() string {
	return localsocket.Path(string(p), os.Getenv("RUNTIME_DIRECTORY"))
}

// makeDataDir makes the directory for its owner only and says whether it can be
// written, before anything is started.
func makeDataDir(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "spire"), 0o700); err != nil {
		return fmt.Errorf("data directory: %w: check owner and permissions, or set data_dir", err)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("data directory %s cannot be written: %w: check owner and permissions, or set data_dir", dir, err)
	}
	return nil
}

// lockDataDir keeps a second controller out of the directory. The kernel frees
// the lock when the process ends, however it ends.
func lockDataDir(p paths) (unlock func(), err error) {
	f, err := openLock(p)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use by another grpccontroller: stop it, or set data_dir", p)
		}
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

// openLock makes the file if it is not there. Root, who restores, makes it for the owner of
// the directory: the controller runs as that user, also after root was interrupted. The
// owner could have put a link there, so none is followed.
func openLock(p paths) (f *os.File, err error) {
	f, err = os.OpenFile(p.lock(), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(p.lock(), os.O_RDWR|unix.O_NOFOLLOW, 0)
	}
	if err != nil || os.Geteuid() != 0 {
		return f, err
	}
	dir, err := os.Stat(string(p))
	if err == nil {
		owner, _ := dir.Sys().(*syscall.Stat_t)
		err = f.Chown(int(owner.Uid), int(owner.Gid))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
