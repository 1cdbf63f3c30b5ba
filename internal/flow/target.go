package flow

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const (
	maxHost   = 253 // of a name in DNS, RFC 1035 without the last dot
	openFixed = 4   // protocol, port, length of the host
	// MaxFirst is how much an open may have of what its client has said already.
	MaxFirst = 4 << 10
	// protocolTCP is the one there is.
	protocolTCP = 1
)

// Target is what an open asks for. Host is a name in lower case without a dot at its end,
// or an IP address as netip writes it; a network's own resolver knows the name.
type Target struct {
	Host string
	Port uint16
}

// String is host:port.
func (t Target) String() string {
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// NewTarget brings what a person or a program wrote to the one form of it. Two spellings of a
// host would be two targets to whoever decides.
func NewTarget(host string, port uint16) (Target, error) {
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		host = addr.Unmap().String()
	} else {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
	}
	t := Target{host, port}
	return t, t.check()
}

// check refuses every form but the one.
func (t Target) check() error {
	if t.Port == 0 {
		return fmt.Errorf("%w: port 0", ErrMalformed)
	}
	if addr, err := netip.ParseAddr(t.Host); err == nil {
		if addr.Is4In6() || addr.Zone() != "" || addr.String() != t.Host {
			return fmt.Errorf("%w: address %q is not in its one form", ErrMalformed, t.Host)
		}
		return nil
	}
	return checkName(t.Host)
}

// checkName takes host names (RFC 1123), and underscores, which services use. A name whose
// last label is a number is none: inet_aton, which resolvers use, reads 127.1 and 0x7f.1 as
// addresses that nobody has decided about.
func checkName(name string) error {
	if name == "" || len(name) > maxHost {
		return fmt.Errorf("%w: host of %d bytes", ErrMalformed, len(name))
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%w: host %q", ErrMalformed, name)
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return fmt.Errorf("%w: host %q", ErrMalformed, name)
			}
		}
		last = label
	}
	if isNumber(last) {
		return fmt.Errorf("%w: host %q is neither a name nor an address", ErrMalformed, name)
	}
	return nil
}

// isNumber says whether inet_aton reads this as the last part of an address, or almost: as
// internal/access does, by which names of resources are read.
func isNumber(label string) bool {
	digits, hex := strings.CutPrefix(label, "0x")
	return strings.TrimFunc(digits, func(r rune) bool { return r >= '0' && r <= '9' || hex && r >= 'a' && r <= 'f' }) == ""
}

// AppendOpen appends the payload of an open, with the first bytes of its client.
func (t Target) AppendOpen(b []byte, first ...byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, protocolTCP), t.Port)
	return append(append(append(b, byte(len(t.Host))), t.Host...), first...) //nolint:gosec // at most maxHost
}

// ParseOpen reads the payload of an open. first is a part of it, and mostly empty.
func ParseOpen(b []byte) (t Target, first []byte, err error) {
	if len(b) <= openFixed {
		return Target{}, nil, fmt.Errorf("%w: open of %d bytes", ErrMalformed, len(b))
	}
	if b[0] != protocolTCP {
		return Target{}, nil, fmt.Errorf("%w: protocol %d", ErrMalformed, b[0])
	}
	end := openFixed + int(b[openFixed-1])
	if end > len(b) || len(b)-end > MaxFirst {
		return Target{}, nil, fmt.Errorf("%w: open of %d bytes, with a host of %d", ErrMalformed, len(b), b[openFixed-1])
	}
	t = Target{Port: binary.BigEndian.Uint16(b[1:]), Host: string(b[openFixed:end])}
	return t, b[end:], t.check()
}
