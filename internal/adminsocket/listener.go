package adminsocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// Listener accepts connections together with the user who opened them.
type Listener struct {
	net.Listener

	// Owners are the users that own the controller. Tests change it before they serve.
	Owners Owners
}

// Listen opens the socket at path, for its owner's user alone. A socket that an
// earlier controller left behind is replaced, so the caller must hold the lock of the
// data directory: without it, two controllers that start at once would take it from
// each other.
func Listen(path string) (*Listener, error) {
	if err := Check(path); err != nil {
		return nil, err
	}
	own, err := owners()
	if err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("local admin socket: %w", err)
	}
	// The mode is the first door, the peer's user the second: what slips in before the
	// mode is set still meets that one.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("local admin socket: %w", err), l.Close())
	}
	return &Listener{Listener: l, Owners: own}, nil
}

// dialTimeout bounds the question whether a socket is in use. The kernel answers at
// once, unless the queue of its listener is full.
const dialTimeout = time.Second

// removeStale removes a socket at which nothing listens.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("local admin socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is not a socket, and the local admin socket must have this path: move the file away and start again", path)
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("another program listens at %s: is a second grpccontroller running with another data_dir?", path)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("local admin socket: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the socket that an earlier controller left: %w", err)
	}
	return nil
}

// Conn is a connection of a Listener.
type Conn struct {
	net.Conn

	// Peer opened the connection.
	Peer Peer
	// Owner says whether the peer owns the controller.
	Owner bool
}

// Accept implements net.Listener; its connections are *Conn. One whose peer the kernel
// does not name is closed.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p, err := peerOf(c)
		if err != nil {
			_ = c.Close()
			continue
		}
		return &Conn{Conn: c, Peer: p, Owner: l.Owners.Has(p)}, nil
	}
}

// peerOf asks the kernel who called connect(2): SO_PEERCRED, unix(7). The peer can
// neither choose nor change it, and it is seen from the user namespace of this process.
func peerOf(c net.Conn) (Peer, error) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return Peer{}, err
	}
	if credErr != nil {
		return Peer{}, credErr
	}
	return Peer{UID: cred.Uid, PID: cred.Pid}, nil
}
