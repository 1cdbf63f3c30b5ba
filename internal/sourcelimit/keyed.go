package sourcelimit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Keyed counts by key: an address, an identity.
type Keyed[K comparable] struct {
	every time.Duration
	burst int
	most  int // keys distinguished
	now   func() time.Time

	mu       sync.Mutex
	byKey    map[K]*rate.Limiter
	overflow *rate.Limiter
	swept    time.Time // when recovered keys were forgotten last
}

// NewKeyed returns a Keyed that allows each key burst times, then once per every.
func NewKeyed[K comparable](every time.Duration, burst int, now func() time.Time) *Keyed[K] {
	return newKeyed[K](MaxSources, every, burst, now)
}

// MaxIdentities is how many identities are distinguished. Only what has enrolled has one,
// so nobody makes them up, and a fleet that comes back at once must not share one
// allowance.
const MaxIdentities = 1 << 16

// NewIdentities is NewKeyed for authenticated identities.
func NewIdentities(every time.Duration, burst int, now func() time.Time) *Keyed[string] {
	return newKeyed[string](MaxIdentities, every, burst, now)
}

func newKeyed[K comparable](most int, every time.Duration, burst int, now func() time.Time) *Keyed[K] {
	k := &Keyed[K]{most: most, every: every, burst: burst, now: now, byKey: map[K]*rate.Limiter{}}
	k.overflow = k.fresh()
	return k
}

func (k *Keyed[K]) fresh() *rate.Limiter { return rate.NewLimiter(rate.Every(k.every), k.burst) }

// AllowKey counts once and says whether it is within the limit.
func (k *Keyed[K]) AllowKey(key K) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	return k.of(key, now).AllowN(now, 1)
}

// GiveBack takes back what AllowKey counted once, for what was then not done.
func (k *Keyed[K]) GiveBack(key K) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.of(key, now).AllowN(now, -1)
}

func (k *Keyed[K]) of(key K, now time.Time) *rate.Limiter {
	if r := k.byKey[key]; r != nil {
		return r
	}
	// Once a second: a flood of new keys must not cost a look at all of them each.
	if len(k.byKey) >= k.most && now.Sub(k.swept) >= time.Second {
		k.swept = now
		k.forgetRecovered(now)
	}
	if len(k.byKey) >= k.most {
		return k.overflow
	}
	r := k.fresh()
	k.byKey[key] = r
	return r
}

func (k *Keyed[K]) forgetRecovered(now time.Time) {
	for key, r := range k.byKey {
		if r.TokensAt(now) >= float64(k.burst) {
			delete(k.byKey, key)
		}
	}
}

// Size is how many keys are remembered.
func (k *Keyed[K]) Size() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.byKey)
}
