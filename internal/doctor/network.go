package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const (
	// dialTimeout bounds one connection, lookupTimeout one name.
	dialTimeout   = 3 * time.Second
	lookupTimeout = 4 * time.Second
	// maxConnectors is how many sessions of a tunneler are looked at.
	maxConnectors = 4
)

// target is an address that has to be reached.
type target struct {
	name, addr string
	guessed    bool // by the usual port
}

func (x *examination) dns(ctx context.Context) (out []Finding) {
	var names []string
	for _, t := range x.addresses() {
		host, _, err := net.SplitHostPort(t.addr)
		if err != nil || slices.Contains(names, host) {
			continue
		}
		if _, err := netip.ParseAddr(host); err != nil {
			names = append(names, host)
		}
	}
	if len(names) == 0 {
		return Good("all addresses are IP addresses, there is nothing to resolve")
	}
	for _, name := range names {
		within, cancel := context.WithTimeout(ctx, lookupTimeout)
		found, err := x.Lookup(within, name)
		cancel()
		if err != nil || len(found) == 0 {
			x.unresolved[name] = true
			out = append(out, Bad(Fault, "try `getent hosts "+name+"`; check the spelling in the conf file, /etc/resolv.conf and /etc/hosts, or use an IP address",
				"%s does not resolve: %v", name, err)...)
			continue
		}
		x.resolved[name] = found
		out = append(out, Good("%s is %s", name, strings.Join(found[:min(len(found), 4)], ", "))...)
	}
	return out
}

func (x *examination) ports(ctx context.Context) (out []Finding) {
	targets := x.addresses()
	if x.Kind == identity.KindConnector && x.program != nil {
		targets = append(targets, target{name: "listener of this connector", addr: fromHere(x.program.Listen)})
	}
	for _, t := range targets {
		host, _, err := net.SplitHostPort(t.addr)
		if err != nil || x.unresolved[host] {
			continue
		}
		if t.name == spireServer && !x.mayBeThere(t.addr) {
			out = append(out, Bad(Fault, "set public_address on the controller; the agent of this host uses it within 10 s",
				"%s: %s is an address of this host itself, and the controller is at %s", t.name, t.addr, x.ControllerAddr)...)
			continue
		}
		out = append(out, x.dial(ctx, t)...)
	}
	if len(out) == 0 {
		return Unseen("there is no address to reach")
	}
	return out
}

// mayBeThere says whether the controller could have sent this address of another
// host. A controller of an older release sent 127.0.0.1 when it did not know its own.
func (x *examination) mayBeThere(addr string) bool {
	host, port, err := net.SplitHostPort(x.ControllerAddr)
	if err != nil {
		return true
	}
	controller := append([]string{host}, x.resolved[host]...)
	return !slices.ContainsFunc(controller, func(ip string) bool {
		at, err := netip.ParseAddrPort(net.JoinHostPort(ip, port))
		return err == nil && len(controlclient.Acceptable([]string{addr}, net.TCPAddrFromAddrPort(at))) == 0
	})
}

func (x *examination) dial(ctx context.Context, t target) []Finding {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", t.addr)
	if err == nil {
		_ = conn.Close()
		return Good("%s: %s accepts connections", t.name, t.addr)
	}
	x.closed[t.addr] = true
	if t.guessed {
		return Bad(Warning, "run doctor as root, which can read the address", "%s: %s, which is only the usual port: %v", t.name, t.addr, err)
	}
	do := "a firewall drops it, or the machine is off: the port has to be open from this host"
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		do = "the machine answers but nothing listens there: is the program running, and is this its port?"
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		do = "there is no route from this host: check its network, and the address"
	}
	return Bad(Fault, do, "%s: %v", t.name, err)
}

// withPort replaces the port of an address.
func withPort(addr, port string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(host, port)
}

// fromHere is how this host reaches a listener that may listen on every address.
func fromHere(listen string) string {
	at, err := netip.ParseAddrPort(listen)
	if err != nil || !at.Addr().IsUnspecified() {
		return listen
	}
	if at.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port()).String()
}
