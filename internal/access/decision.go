package access

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Caller is the peer that asks: a tunneler, with the labels that operators gave it.
type Caller struct {
	ID     spiffeid.ID
	Labels Labels
}

// Target is what a flow is to lead to. Host is a name or an address in any spelling.
type Target struct {
	Host string
	Port uint16
}

// ParseTarget reads HOST:PORT; an IPv6 address stands in brackets.
func ParseTarget(text string) (Target, error) {
	if strings.Contains(text, "://") {
		return Target{}, notAlone(text)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return Target{}, fmt.Errorf("%q is no target: write HOST:PORT, such as db.corp:5432 or [fd00::1]:22", short(text))
	}
	n, err := parsePort(port)
	if err != nil {
		return Target{}, err
	}
	h, err := ParseHost(host)
	if err != nil {
		return Target{}, err
	}
	return Target{Host: h.String(), Port: n}, nil
}

// String is HOST:PORT.
func (t Target) String() string { return net.JoinHostPort(t.Host, fmt.Sprint(t.Port)) }

// Code is why a decision is as it is.
type Code string

// The codes. What a peer gets to see of a refusal is up to the connector: of those before
// an address was resolved, all look the same.
const (
	// Granted: a grant holds.
	Granted Code = "granted"
	// NoTarget: the target is no host and port.
	NoTarget Code = "malformed_target"
	// NoCaller: the caller is no tunneler of this trust domain.
	NoCaller Code = "no_tunneler"
	// NoResource covers the target.
	NoResource Code = "no_resource"
	// NotGranted: the most specific resources are not granted to the caller.
	NotGranted Code = "not_granted"
	// OutsideSchedule: they are, at other hours.
	OutsideSchedule Code = "outside_schedule"
	// Ended: they were.
	Ended Code = "grant_ended"
	// AddressUnusable: no connection can be made to the address.
	AddressUnusable Code = "address_unusable"
	// AddressReserved: only a resource that names the very address reaches it.
	AddressReserved Code = "address_reserved"
	// AddressOutside: the address is not in the network's prefixes.
	AddressOutside Code = "address_outside_network"
	// AddressNotGranted: a resource covers the address, and no grant of it holds for the
	// caller.
	AddressNotGranted Code = "address_not_granted"
)

// What a connector refuses by itself, without asking a Set.
const (
	// NoPolicy: it has none yet, or what it has is too old.
	NoPolicy Code = "no_policy"
	// NotUnderstood: its policy has a rule that this version does not understand.
	NotUnderstood Code = "rules_not_understood"
	// AddressOwn: the address is that of a listener of its own.
	AddressOwn Code = "address_own"
)

// Codes lists all codes.
func Codes() []Code {
	return []Code{
		Granted, NoTarget, NoCaller, NoResource, NotGranted, OutsideSchedule, Ended,
		AddressUnusable, AddressReserved, AddressOutside, AddressNotGranted, NoPolicy, NotUnderstood, AddressOwn,
	}
}

// Reason says what a code means, as a sentence about the tunneler that asked.
func (c Code) Reason() string {
	switch c {
	case Granted:
		return "A grant holds now."
	case NoTarget:
		return "This is no host and port."
	case NoCaller:
		return "This is no tunneler of this trust domain."
	case NoResource:
		return "No resource covers this host and port, so nobody reaches it."
	case NotGranted:
		return "A resource covers it, and no grant of the most specific one is for this tunneler."
	case OutsideSchedule:
		return "A grant is for this tunneler, but not at this hour."
	case Ended:
		return "A grant was for this tunneler, and has ended."
	case AddressUnusable:
		return "No connection can be made to this address."
	case AddressReserved:
		return "This is a loopback, link-local or metadata address, which only a resource that names the very address reaches."
	case AddressOutside:
		return "This address is outside of the prefixes of the network."
	case AddressNotGranted:
		return "A resource covers this address, and no grant of it is for this tunneler."
	case NoPolicy:
		return "The connector has no policy yet, or one that is too old."
	case NotUnderstood:
		return "The policy has a rule that this version of the connector does not understand."
	case AddressOwn:
		return "This address is that of a listener of the connector itself."
	}
	return "The code of the decision is " + string(c) + "."
}

// Decision is the answer, with what decided. ResourceID and GrantID are of a refusal too,
// where there is one that almost allows it.
type Decision struct {
	Allowed    bool
	Code       Code
	ResourceID string
	GrantID    string
	// ProxyProtocol is what the connection of an allowed flow begins with: that of any of the
	// resources that decide, whichever is granted. Whoever reached a target that expects the
	// header by another of them, without it, could send one of its own, as anybody.
	ProxyProtocol ProxyProtocol
	// Until is when to decide again, if nothing changes before; zero for never. It is exact:
	// the grant holds until then and, unless the next decision allows it, not at that instant.
	Until time.Time
}

// isUsable checks what an address is in itself: whether a network with these prefixes leads
// there. named says that a resource of the caller covers it, exactly that it names the
// very address.
func isUsable(addr netip.Addr, declared ranges, named, exactly bool) Code {
	switch {
	case never(addr):
		return AddressUnusable
	case reserved.contain(addr) && !exactly:
		return AddressReserved
	case len(declared) > 0 && !declared.contain(addr):
		return AddressOutside
	case len(declared) == 0 && !named && !private.contain(addr):
		return AddressOutside
	}
	return Granted
}
