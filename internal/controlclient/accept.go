package controlclient

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxAddresses is how many addresses of one kind a peer may send.
	maxAddresses = 16
	// maxHostName is the longest DNS name (RFC 1035, section 2.3.4).
	maxHostName = 253
)

// Acceptable returns those of the learned addresses (host:port) that the peer at
// from may send, in their order, each once and at most 16. A peer that was reached
// over the network may not send us to our own loopback, where whoever has a port
// there would be asked instead of it; nor to a link-local address, unless it is on
// that link itself. Unspecified and multicast addresses name no host, so that nobody
// may send them. What is not host:port is dropped.
//
// A name is taken as it is: what it resolves to is up to this host's resolver. The
// names of the loopback interface, by RFC 6761 (section 6.3) and by the /etc/hosts of
// distributions, count as its address.
func Acceptable(learned []string, from net.Addr) []string {
	peer := addressOf(from)
	var out []string
	for _, l := range learned {
		if len(out) == maxAddresses {
			break
		}
		if acceptsFrom(l, peer) && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// addressOf is the zero Addr for what is no IP address: such a peer may send only
// what everybody may.
func addressOf(from net.Addr) netip.Addr {
	if from == nil {
		return netip.Addr{}
	}
	at, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

func acceptsFrom(hostPort string, peer netip.Addr) bool {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return false
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return isHostName(host) && (peer.IsLoopback() || !namesLoopback(host))
	}
	switch ip = ip.Unmap(); {
	case ip.IsUnspecified(), ip.IsMulticast(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case ip.IsLoopback():
		return peer.IsLoopback()
	case ip.IsLinkLocalUnicast():
		// Without a zone an IPv6 one cannot be dialed.
		return (peer.IsLinkLocalUnicast() || peer.IsLoopback()) && (ip.Is4() || ip.Zone() != "")
	default:
		return ip.Zone() == ""
	}
}

func namesLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	first, rest, _ := strings.Cut(host, ".")
	switch {
	case strings.HasSuffix(host, ".localhost"):
		return true
	case rest != "" && strings.TrimRight(rest, "46") != "localdomain":
		return false
	}
	return slices.Contains([]string{"localhost", "ip6-localhost", "ip6-loopback"}, strings.TrimRight(first, "46"))
}

// isHostName takes letters, digits, hyphens and underscores in labels. A last label
// that is a number makes it an IPv4 address in one of the old forms (127.1,
// 0x7f.0.0.1), which some resolvers understand and the checks above do not.
func isHostName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > maxHostName {
		return false
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.ContainsFunc(l, notInLabel) {
			return false
		}
	}
	last := strings.ToLower(labels[len(labels)-1])
	return strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(last, "0x")
}

func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
