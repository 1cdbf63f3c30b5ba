package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// lookEvery is how often the address of the default route is asked for. It costs two
// system calls and sends nothing.
const lookEvery = 2 * time.Second

// errNoAddress says what nobody but the operator can mend.
var errNoAddress = errors.New("this host has no default route, so there is no address to give to hosts: set public_address")

// advertised is where hosts reach this controller: at public_address; else at the
// address that a listener is bound to, a loopback one too, because somebody wrote it
// down; else at the address of the default route, and there alone. An address that
// nobody configured and no route has is never sent: a host that believed it would look
// for the controller on itself.
//
// It is safe for concurrent use. What it learned once it keeps while the route is
// away: an interface that restarts moves nobody.
type advertised struct {
	configured  string // public_address
	spireServer string // spire.server_address
	route       func(context.Context) netip.Addr
	log         *zap.Logger

	mu                         sync.Mutex
	enrollment, control, spire net.Addr // listeners
	learned                    netip.Addr
	away                       bool // there is no route now

	// sent is what endpoints made of that last, nil if it is another since: all streams ask
	// at each change.
	sent atomic.Pointer[control.Endpoints]
}

// spireListens notes where the embedded spire-server listens.
func (a *advertised) spireListens(at net.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spire = at
	a.sent.Store(nil)
}

// look asks for the route again and says whether hosts have to be sent something
// else than before.
func (a *advertised) look(ctx context.Context) (moved bool) {
	if a.configured != "" {
		return false
	}
	now := a.route(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	before, wasAway := a.learned, a.away
	a.away = !now.IsValid()
	if now.IsValid() {
		a.learned = now
		a.sent.Store(nil)
	}
	switch {
	case !a.follows():
	case before != a.learned:
		a.log.Info("hosts reach this controller at the address of its default route", zap.Stringer("address", a.learned))
	case a.away && !wasAway:
		a.log.Warn("no default route, public_address is not set", zap.Bool("address_known", a.learned.IsValid()))
	}
	return a.follows() && before != a.learned
}

// run looks until ctx ends, and calls moved when hosts have to get other addresses.
func (a *advertised) run(ctx context.Context, moved func()) error {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if a.look(ctx) {
				moved()
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// follows needs a.mu: something is sent that the route decides.
func (a *advertised) follows() bool {
	if a.configured != "" {
		return false
	}
	for _, l := range []net.Addr{a.enrollment, a.control, a.spire} {
		if at, ok := l.(*net.TCPAddr); ok && at.IP.IsUnspecified() {
			return true
		}
	}
	return false
}

// endpoints are empty where there is no address to send. Callers must not change them.
func (a *advertised) endpoints() control.Endpoints {
	if sent := a.sent.Load(); sent != nil {
		return *sent
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := control.Endpoints{SPIREServer: a.spireServer}
	if e.SPIREServer == "" {
		e.SPIREServer = a.at(a.spire)
	}
	if at := a.at(a.control); at != "" {
		e.ControlPlane = []string{at}
	}
	a.sent.Store(&e)
	return e
}

// enrollAt is host:port of the enrollment listener, or empty.
func (a *advertised) enrollAt() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at(a.enrollment)
}

// at needs a.mu.
func (a *advertised) at(listener net.Addr) string {
	at, ok := listener.(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := a.configured
	switch {
	case host != "":
	case !at.IP.IsUnspecified():
		host = at.AddrPort().Addr().Unmap().String()
	case a.learned.IsValid():
		host = a.learned.String()
	default:
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(at.Port))
}

// check is the readiness check.
func (a *advertised) check(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.follows() || !a.away:
		return nil
	case a.learned.IsValid():
		return health.Degraded(fmt.Errorf("the default route is gone; hosts still get the address %s: set public_address if the route does not come back", a.learned))
	default:
		return errNoAddress
	}
}

func (a *advertised) explain() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.configured != "":
		return "hosts get the address " + a.configured + ", as configured"
	case a.follows():
		return "hosts get the address " + a.learned.String() + ", that of the default route"
	default:
		return "hosts get the addresses that the listeners are bound to"
	}
}

// defaultRoute is the address that this host has towards others, by IPv4 or else by
// IPv6; invalid if there is none. Connecting a UDP socket sends nothing; the targets
// are documentation addresses (RFC 5737, RFC 3849).
func defaultRoute(ctx context.Context) netip.Addr {
	for _, to := range []struct {
		network, address string
		control          func(network, address string, c syscall.RawConn) error
	}{{"udp4", "192.0.2.1:9", nil}, {"udp6", "[2001:db8::1]:9", preferPublic}} {
		conn, err := (&net.Dialer{Control: to.control}).DialContext(ctx, to.network, to.address)
		if err != nil {
			continue
		}
		at, ok := conn.LocalAddr().(*net.UDPAddr)
		_ = conn.Close()
		// Neither loopback nor link-local, which others could not dial.
		if ip := at.AddrPort().Addr().Unmap(); ok && ip.IsGlobalUnicast() && ip.Zone() == "" {
			return ip
		}
	}
	return netip.Addr{}
}

// preferPublic asks for an address that stays: the temporary ones of RFC 8981 are
// gone in a day. A kernel that does not know the option has none of them.
func preferPublic(_, _ string, c syscall.RawConn) error {
	const preferSrcPublic = 0x2 // IPV6_PREFER_SRC_PUBLIC of linux/in6.h
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_ADDR_PREFERENCES, preferSrcPublic)
	})
}
