package controlclient

import (
	"math/rand/v2"
	"time"
)

// Limits of the wait between two attempts.
const (
	MinWait = 250 * time.Millisecond
	MaxWait = 60 * time.Second
)

// Jitter draws a duration from [0, ceiling].
type Jitter func(ceiling time.Duration) time.Duration

// FullJitter draws uniformly. Anything less leaves a peak when a thousand peers
// lost the same controller in the same second.
func FullJitter(ceiling time.Duration) time.Duration { return rand.N(ceiling + 1) } //nolint:gosec // spreads load, protects nothing

// Backoff is exponential with full jitter: the n-th wait since the last reset is
// drawn from [0, min(MaxWait, MinWait * 2^(n-1))]. It is not safe for concurrent
// use.
//
// cenkalti/backoff, which this module has, spreads by a factor around the
// interval, so the longest wait is twice the maximum.
type Backoff struct {
	jitter  Jitter
	ceiling time.Duration
}

// NewBackoff takes FullJitter where jitter is nil.
func NewBackoff(jitter Jitter) *Backoff {
	if jitter == nil {
		jitter = FullJitter
	}
	b := &Backoff{jitter: jitter}
	b.Reset()
	return b
}

// Next returns the next wait.
func (b *Backoff) Next() time.Duration {
	d := b.jitter(b.ceiling)
	b.ceiling = min(2*b.ceiling, MaxWait)
	return d
}

// Reset starts again from MinWait.
func (b *Backoff) Reset() { b.ceiling = MinWait }
