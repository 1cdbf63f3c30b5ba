package atomicfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Locked calls f while no other program, and no other caller here, is in Locked of the same
// directory: what f sees there is so until it returns. f must not call Locked. A
// program that ends lets go.
func Locked(dir string, f func() error) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for {
		if err = unix.Flock(int(d.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return &os.PathError{Op: "lock", Path: dir, Err: err}
	}
	return f()
}
