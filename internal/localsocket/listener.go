package localsocket

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

// Purpose is what a socket is for.
type Purpose struct {
	// Name and Program are what its errors call it and who else may listen there.
	Name, Program string
	Mode          fs.FileMode
}

// Listen opens the local admin socket at path, for its owner's user alone. A socket that an
// earlier controller left behind is replaced, so the caller must hold the lock of the
// data directory: without it, two controllers that start at once would take it from
// each other.
func Listen(path string) (*Listener, error) {
	if err := Check(path); err != nil {
		return nil, err
	}
	return ListenAt(Purpose{Name: "local admin socket", Program: "grpccontroller", Mode: 0o600}, path)
}

// ListenAt opens a socket of another purpose, whose connections also say who opened them.
func ListenAt(p Purpose, path string) (*Listener, error) {
	own, err := owners()
	if err != nil {
		return nil, err
	}
	if err := p.removeStale(path); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	// The mode is the first door, the peer's user the second: what slips in before the
	// mode is set still meets that one.
	if err := os.Chmod(path, p.Mode); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.Name, err), l.Close())
	}
	return &Listener{Listener: l, Owners: own}, nil
}

// dialTimeout bounds the question whether a socket is in use. The kernel answers at
// once, unless the queue of its listener is full.
const dialTimeout = time.Second

// removeStale removes a socket at which nothing listens.
func (p Purpose) removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is not a socket, and the %s must have this path: move the file away and start again", path, p.Name)
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("another program listens at %s: is a second %s running?", path, p.Program)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the socket that an earlier program left: %w", err)
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
