package settings

import (
	"net"
	"net/netip"
	"strconv"
)

// IsListener says whether something can listen at s: host:port, where the host may be
// missing and port 0 is any free one.
func IsListener(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// IsLoopback says whether s is host:port with a host that only this machine reaches.
func IsLoopback(s string) bool {
	host, _, err := net.SplitHostPort(s)
	if err != nil || host == "localhost" {
		return err == nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Listener is a key with the address that it opens.
type Listener struct{ Key, Address string }

// Apart notes a fault for each listener that cannot be opened beside one before it.
func (f *Faults) Apart(listeners ...Listener) {
	for i, l := range listeners {
		for _, other := range listeners[:i] {
			f.Require(!collide(l.Address, other.Address), l.Key, "is at the port of %s (%s), is %q", other.Key, other.Address, l.Address)
		}
	}
}

func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	n, _ := strconv.Atoi(portA)
	m, _ := strconv.Atoi(portB)
	return errA == nil && errB == nil && n == m && n != 0 && (everywhere(hostA) || everywhere(hostB) || hostA == hostB)
}

// everywhere is false for a name: it may stand for any address.
func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}
