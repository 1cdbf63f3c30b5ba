package api

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// An address may fail failureBurst times, then once per failureEvery.
const (
	failureBurst = 10
	failureEvery = 6 * time.Second
	// maxFailing bounds the memory that callers can make us hold.
	maxFailing = 4096
)

// failures counts failed authentications by address.
type failures struct {
	now func() time.Time

	mu     sync.Mutex
	byAddr map[netip.Prefix]*rate.Limiter
	// overflow is shared by all addresses that came when byAddr was full, so that
	// many addresses are no way around the limit.
	overflow *rate.Limiter
}

func newFailures(now func() time.Time) *failures {
	return &failures{now: now, byAddr: map[netip.Prefix]*rate.Limiter{}, overflow: newLimiter()}
}

func newLimiter() *rate.Limiter { return rate.NewLimiter(rate.Every(failureEvery), failureBurst) }

// allow counts a failure and says whether it is within the limit.
func (f *failures) allow(ip string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	return f.limiter(bucket(ip), now).AllowN(now, 1)
}

func (f *failures) limiter(b netip.Prefix, now time.Time) *rate.Limiter {
	if l := f.byAddr[b]; l != nil {
		return l
	}
	if len(f.byAddr) >= maxFailing {
		f.forgetRecovered(now)
	}
	if len(f.byAddr) >= maxFailing {
		return f.overflow
	}
	l := newLimiter()
	f.byAddr[b] = l
	return l
}

func (f *failures) forgetRecovered(now time.Time) {
	for b, l := range f.byAddr {
		if l.TokensAt(now) >= failureBurst {
			delete(f.byAddr, b)
		}
	}
}

// bucket is the address, or its /64: an IPv6 host has a whole one to itself.
func bucket(ip string) netip.Prefix {
	a, err := netip.ParseAddr(ip)
	if err != nil {
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
