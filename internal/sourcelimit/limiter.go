package sourcelimit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// MaxSources is how many addresses are told apart; it bounds the memory that callers can make us hold.
const MaxSources = 4096

// Limiter counts by address.
type Limiter struct {
	every time.Duration
	burst int
	now   func() time.Time

	mu       sync.Mutex
	byAddr   map[netip.Prefix]*rate.Limiter
	overflow *rate.Limiter
}

// New returns a Limiter that allows each address burst times, then once per every.
func New(every time.Duration, burst int, now func() time.Time) *Limiter {
	l := &Limiter{every: every, burst: burst, now: now, byAddr: map[netip.Prefix]*rate.Limiter{}}
	l.overflow = l.fresh()
	return l
}

func (l *Limiter) fresh() *rate.Limiter { return rate.NewLimiter(rate.Every(l.every), l.burst) }

// Allow counts once and says whether it is within the limit.
func (l *Limiter) Allow(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	return l.of(Bucket(addr), now).AllowN(now, 1)
}

func (l *Limiter) of(b netip.Prefix, now time.Time) *rate.Limiter {
	if r := l.byAddr[b]; r != nil {
		return r
	}
	if len(l.byAddr) >= MaxSources {
		l.forgetRecovered(now)
	}
	if len(l.byAddr) >= MaxSources {
		return l.overflow
	}
	r := l.fresh()
	l.byAddr[b] = r
	return r
}

func (l *Limiter) forgetRecovered(now time.Time) {
	for b, r := range l.byAddr {
		if r.TokensAt(now) >= float64(l.burst) {
			delete(l.byAddr, b)
		}
	}
}

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

// Size is how many addresses are remembered.
func (l *Limiter) Size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byAddr)
}
