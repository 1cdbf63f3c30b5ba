package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// listeners are opened before anything is started, so that a port in use is the
// first thing an operator sees.
type listeners struct {
	enrollment, control *sourcelimit.Listener
}

// budget divides the descriptors of the process among its listeners, so that none
// takes what another one needs, whatever is open on it.
type budget struct{ enrollment, control, admin, local, health sourcelimit.Caps }

// newBudget divides so many descriptors, for 0 those that the kernel gives.
func newBudget(all int) (b budget, err error) {
	if all == 0 {
		if all, err = sourcelimit.Descriptors(); err != nil {
			return budget{}, err
		}
	}
	return budget{
		enrollment: control.EnrollmentCaps(sourcelimit.Share(all, 15, 4096, 2048)),
		control:    sourcelimit.Share(all, 65, all, 2048),
		admin:      sourcelimit.Share(all, 10, 1024, 512),
		local:      sourcelimit.Share(all, 2, 128, 32),
		health:     sourcelimit.Share(all, 5, 64, 64),
	}, nil
}

func listen(ctx context.Context, l config.Listen, b budget) (listeners, error) {
	var out listeners
	enrollment, err := listenOn(ctx, "listen.enrollment", l.Enrollment)
	if err != nil {
		return out, err
	}
	plane, err := listenOn(ctx, "listen.control", l.Control)
	if err != nil {
		_ = enrollment.Close()
		return out, err
	}
	return listeners{sourcelimit.NewListener(enrollment, b.enrollment), sourcelimit.NewListener(plane, b.control)}, nil
}

func listenOn(ctx context.Context, key, addr string) (net.Listener, error) {
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: is another controller running, or is this not an address of this host?", key, err)
	}
	return lis, nil
}

// freedWithin is how long a spire-server may take to end after its controller was
// killed. The kernel kills it in the same moment, but its port is free only when
// all of it is gone.
const freedWithin = 5 * time.Second

// spirePort waits until the port is free, and resolves port 0: spire-server cannot
// say which one it took.
func spirePort(ctx context.Context, addr string) (ip string, port int, err error) {
	within, cancel := context.WithTimeout(ctx, freedWithin)
	defer cancel()
	lis, err := listenOn(within, "spire.server_listen", addr)
	for errors.Is(err, unix.EADDRINUSE) {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-within.Done():
			return "", 0, err
		}
		lis, err = listenOn(within, "spire.server_listen", addr)
	}
	if err != nil {
		return "", 0, err
	}
	at, ok := lis.Addr().(*net.TCPAddr)
	if err := lis.Close(); err != nil || !ok {
		return "", 0, fmt.Errorf("spire.server_listen: %s is no TCP address: %w", addr, err)
	}
	host, _, err := net.SplitHostPort(addr)
	if host == "" {
		host = at.IP.String()
	}
	return host, at.Port, err
}
