package auth

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// An account locks after failuresUntilLock failures, for firstLock, then twice as
// long with each further one up to longestLock. It is forgotten failuresKept
// after the last.
const (
	failuresUntilLock = 5
	firstLock         = 30 * time.Second
	longestLock       = 15 * time.Minute
	failuresKept      = 24 * time.Hour
	// maxFailures is how many accounts and devices are counted at once. Names that do
	// not exist count too, so anybody can make rows. Beyond it the oldest are
	// forgotten: to reset one count costs an attacker this many password checks.
	maxFailures = 10_000
)

// Failures counts the failed attempts on one account or from one known device.
type Failures struct {
	Count       int
	LastAt      time.Time
	LockedUntil time.Time
}

// FailuresTx counts failed attempts.
type FailuresTx interface {
	// Failures returns the zero value for what never failed.
	Failures(ctx context.Context, key []byte) (Failures, error)
	PutFailures(ctx context.Context, key []byte, f Failures) error
	// DropFailures forgets one key.
	DropFailures(ctx context.Context, key []byte) error
	// KeepFailures forgets the oldest beyond most.
	KeepFailures(ctx context.Context, most int) error
	// DropFailuresBefore forgets what last failed before t.
	DropFailuresBefore(ctx context.Context, t time.Time) error
}

func (f Failures) next(now time.Time) Failures {
	f.Count++
	f.LastAt = now
	if over := f.Count - failuresUntilLock; over >= 0 {
		lock := longestLock
		if over < 5 { // 30 s << 5 is beyond the longest
			lock = firstLock << over
		}
		f.LockedUntil = now.Add(lock)
	}
	return f
}

// accountKey is what attempts on an account are counted under, whether it exists
// or not; a hash, for people type their password into the wrong field.
func accountKey(email string) []byte {
	h := sha256.Sum256([]byte("account\x00" + email))
	return h[:]
}

// attempt is one try at a password, counted as a failure until it is known to be none.
type attempt struct {
	key           []byte
	before, after Failures
}

// count counts an attempt as a failure before anything is checked, so that many at
// the same time are no way around the limit. A success drops the count, refund
// takes one attempt back.
func (k *core) count(ctx context.Context, key []byte) (attempt, error) {
	now := k.now()
	at := attempt{key: key}
	return at, k.Store.AuthTx(ctx, func(tx Tx) error {
		f, err := tx.Failures(ctx, key)
		if err != nil {
			return err
		}
		// An attempt while the account is locked does not count: otherwise an attacker
		// who never stops would lock it for ever.
		if now.Before(f.LockedUntil) {
			return &TooManyError{RetryAfter: f.LockedUntil.Sub(now)}
		}
		if err := tx.DropFailuresBefore(ctx, now.Add(-failuresKept)); err != nil {
			return err
		}
		if now.Sub(f.LastAt) > failuresKept {
			f = Failures{}
		}
		at.before, at.after = f, f.next(now)
		if err := tx.PutFailures(ctx, key, at.after); err != nil {
			return err
		}
		return tx.KeepFailures(ctx, maxFailures)
	})
}

// refund takes back an attempt that was neither a failure nor a success: a right
// password whose code is still missing, or a check that could not be made. The lock
// that this attempt set goes too; one that another attempt set meanwhile stays.
func (k *core) refund(ctx context.Context, at attempt) error {
	return k.Store.AuthTx(ctx, func(tx Tx) error {
		f, err := tx.Failures(ctx, at.key)
		if err != nil || f.Count == 0 {
			return err
		}
		f.Count--
		if f.LockedUntil.Equal(at.after.LockedUntil) {
			f.LockedUntil = at.before.LockedUntil
		}
		if f.LastAt.Equal(at.after.LastAt) {
			f.LastAt = at.before.LastAt
		}
		return tx.PutFailures(ctx, at.key, f)
	})
}

// A source may fail sourceBurst times, then once per sourceEvery.
const (
	sourceBurst = 20
	sourceEvery = 6 * time.Second
	// maxSources bounds the memory that callers can make us hold.
	maxSources = 4096
)

// admitSource counts an attempt from an address, whatever account it is on. Two
// kinds of callers are counted by account alone: a browser that is known for this
// account, which has a count of its own, and loopback, where every process of the
// host and every visitor of a proxy on it has the same address, so that one of them
// could shut all others out.
func (k *core) admitSource(from From, known bool) error {
	if known || isLoopback(from.Source) {
		return nil
	}
	return k.sources.take(from.Source)
}

func isLoopback(source string) bool {
	a, err := netip.ParseAddr(source)
	return err == nil && a.Unmap().IsLoopback()
}

// sources limits attempts by address, whatever account they are on.
type sources struct {
	now func() time.Time

	mu    sync.Mutex
	spent map[netip.Prefix]spending
}

// spending is how many attempts were not yet earned back at a time.
type spending struct {
	n  float64
	at time.Time
}

func newSources(now func() time.Time) *sources {
	return &sources{now: now, spent: map[netip.Prefix]spending{}}
}

// take counts an attempt from an address, or says how long to wait.
func (s *sources) take(source string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, b := s.now(), s.bucket(source)
	n := s.at(b, now)
	if n+1 > sourceBurst {
		return &TooManyError{RetryAfter: time.Duration((n+1-sourceBurst)*float64(sourceEvery)).Truncate(time.Second) + time.Second}
	}
	s.spent[b] = spending{n + 1, now}
	return nil
}

// giveBack takes back an attempt that succeeded: many people may share an address.
func (s *sources) giveBack(source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, b := s.now(), s.bucket(source)
	s.spent[b] = spending{max(0, s.at(b, now)-1), now}
}

func (s *sources) at(b netip.Prefix, now time.Time) float64 {
	sp := s.spent[b]
	return max(0, sp.n-float64(now.Sub(sp.at))/float64(sourceEvery))
}

// bucket is the address, or its /64, for an IPv6 host has a whole one to itself.
// All addresses that come when the table is full share one.
func (s *sources) bucket(source string) netip.Prefix {
	a, err := netip.ParseAddr(source)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // bits is within the length
	if _, known := s.spent[p]; known || len(s.spent) < maxSources {
		return p
	}
	for b := range s.spent {
		if s.at(b, s.now()) == 0 {
			delete(s.spent, b)
		}
	}
	if len(s.spent) < maxSources {
		return p
	}
	return netip.Prefix{}
}
