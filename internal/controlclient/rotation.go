package controlclient

import (
	"slices"
	"time"
)

const (
	// LearnedLife is how long an address that a peer named is tried after a peer last
	// confirmed it. A laptop may be off for weeks; what nobody confirmed for longer
	// is more likely somebody else's by now.
	LearnedLife = 30 * 24 * time.Hour
	// MaxLearned is how many addresses a peer can add.
	MaxLearned = 8
)

// Learned are addresses that a peer named.
type Learned struct {
	Addresses []string
	// ConfirmedAt is when a peer last confirmed them; see LearnedLife.
	ConfirmedAt time.Time
}

// clone keeps what can be used.
func (l Learned) clone() Learned {
	l.Addresses = slices.Clone(l.Addresses[:min(len(l.Addresses), MaxLearned)])
	return l
}

// alive are those that are still tried. Wall time counts, for a host that sleeps
// stops the monotonic clock. A confirmation from the future (the clock was set
// back) counts: an address decides where we knock, never whom we trust.
func (l Learned) alive(now time.Time) []string {
	if now.Round(0).Sub(l.ConfirmedAt.Round(0)) >= LearnedLife {
		return nil
	}
	return l.Addresses
}

// rotation is the order in which addresses are tried. What was configured stays in
// it, before what was learned: a peer that names a wrong address must not take the
// right one away.
func rotation(configured []string, learned Learned, now time.Time) []string {
	out := make([]string, 0, len(configured)+MaxLearned)
	for _, a := range slices.Concat(configured, learned.alive(now)) {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
