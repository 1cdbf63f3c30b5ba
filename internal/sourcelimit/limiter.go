package sourcelimit

import (
	"net/netip"
	"time"
)

// MaxSources is how many addresses are distinguished; it bounds the memory that callers can make us hold.
const MaxSources = 4096

// Limiter counts by address.
type Limiter struct{ *Keyed[netip.Prefix] }

// New returns a Limiter that allows each address burst times, then once per every.
func New(every time.Duration, burst int, now func() time.Time) *Limiter {
	return &Limiter{NewKeyed[netip.Prefix](every, burst, now)}
}

// Allow counts once and says whether it is within the limit.
func (l *Limiter) Allow(addr netip.Addr) bool { return l.AllowKey(Bucket(addr)) }

// Bucket is the address, or its /64: an IPv6 host has a whole one to itself. It is
// the zero prefix for no address.
func Bucket(a netip.Addr) netip.Prefix {
	if !a.IsValid() {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // bits is within the length
	return p
}
