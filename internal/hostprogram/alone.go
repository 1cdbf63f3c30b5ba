package hostprogram

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Alone keeps a second program from running as the same member of this host, beside the
// same agent, until release is called: the two would push each other out, and look to
// the controller like two machines with one key, of which it revokes both where clones
// are quarantined.
//
// It is a name in the abstract Unix namespace, which the kernel frees with the process,
// however that ends, and which a container does not share. Another user, who could take
// the name to keep this program from starting, keeps nobody: SPIRE does not attest them
// alike, so they are not the same member.
func Alone(ctx context.Context, socket, spiffeID string) (release func(), err error) {
	sum := sha256.Sum256([]byte(socket + "\x00" + spiffeID))
	name := "@grpccontroller/" + hex.EncodeToString(sum[:16])
	none := func() {}
	lis, err := (&net.ListenConfig{}).Listen(ctx, "unix", name)
	if err == nil {
		return hold(lis), nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return none, nil // a kernel or a sandbox without such names
	}
	holder, err := holderOf(ctx, name)
	if errors.Is(err, syscall.ECONNREFUSED) { // it has ended since
		if lis, err = (&net.ListenConfig{}).Listen(ctx, "unix", name); err == nil {
			return hold(lis), nil
		}
		holder, err = holderOf(ctx, name)
	}
	if err != nil || int(holder.Uid) != os.Geteuid() {
		return none, nil //nolint:nilerr // gone meanwhile, or somebody else
	}
	return none, fmt.Errorf("%s already runs on this host, as process %d: stop it first; a second one needs its own token and id", spiffeID, holder.Pid)
}

// hold keeps the name of lis until release. It accepts who asks for the holder: a queue
// that nobody empties is full one day, and then nobody can ask.
func hold(lis net.Listener) (release func()) {
	ended := make(chan struct{})
	go func() { // joined by release
		defer close(ended)
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return sync.OnceFunc(func() {
		shut(lis)
		_ = lis.Close()
		<-ended
	})
}

// shut has lis answer nobody any more, also where a child that was started at this moment
// has its descriptor until it runs another program: whoever asks then finds no holder.
func shut(lis net.Listener) {
	if u, ok := lis.(*net.UnixListener); ok {
		if raw, err := u.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
		}
	}
}

func holderOf(ctx context.Context, name string) (*unix.Ucred, error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UnixConn).SyscallConn() //nolint:forcetypeassert // network unix
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return cred, errors.Join(err, failed)
}
