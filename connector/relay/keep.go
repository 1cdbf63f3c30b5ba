package relay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
)

// confirmEvery is how often a linked connector notes on disk that a controller
// still confirms the policy. A crash loses at most this much of PolicyAge.
const confirmEvery = 5 * time.Minute

// Writing takes the longer the larger the fleet is, so the keeper rests after a write for
// so many times as long as it took, and at most this long. What a crash loses of that is
// who came; revocations are kept as denials.
const (
	saveShare   = 20
	maxSaveWait = time.Minute
)

// keep writes the policy to disk as it changes and calls expired when it has
// become too old, until ctx ends.
func (p *policy) keep(ctx context.Context, expired func()) error {
	defer p.save()
	for logged := false; ; {
		pause := time.Until(p.saveAfter)
		if pause <= 0 {
			p.save()
		} else {
			p.noticeReset() // an operator does not wait for a slow disk to have its rest
		}
		p.mu.Lock()
		left, linked, why, unsaved, refused := p.remaining(), p.linked, p.missing(), p.dirty, p.refused != nil || p.astray != nil
		p.mu.Unlock()
		wait := confirmEvery
		if !linked {
			wait = min(wait, max(left, 0)+time.Millisecond)
			if left <= 0 {
				if !logged && errors.Is(why, errPolicyOld) {
					p.cfg.Log.Warn("policy too old: sessions are closed and refused until a controller confirms it", zap.Error(why))
				}
				expired()
				wait = confirmEvery
				if refused {
					p.cfg.Retake()
				}
			}
		}
		if refused || p.unsaved {
			wait = min(wait, p.cfg.SaveAgain)
		} else if unsaved {
			wait = min(wait, max(time.Until(p.saveAfter), 0))
		}
		logged = left <= 0
		if !p.rest(ctx, wait) {
			return nil
		}
	}
}

// rest returns when the keeper has something to do; false is the end of ctx.
func (p *policy) rest(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-p.pulse:
		case <-p.wake:
			return true
		case <-timer.C:
			p.reconfirm()
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// reconfirm moves the confirmation on while the stream is up.
func (p *policy) reconfirm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.linked {
		p.confirmed, p.dirty = time.Now().Round(0), true
	}
}

// confirm needs the lock. Round drops the monotonic reading, which stands still
// while the host sleeps.
func (p *policy) confirm() {
	p.confirmed = time.Now().Round(0)
	p.dirty = true
	p.kick()
}

// lastConfirmed is when a controller last confirmed the policy: now, while the
// control stream is up.
func (p *policy) lastConfirmed() time.Time {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.linked {
		return time.Now()
	}
	return p.confirmed
}

// save runs in the keeper only; a failed write is tried again.
func (p *policy) save() {
	if p.noticeReset() {
		return
	}
	p.mu.Lock()
	snap, dirty := p.snap, p.dirty
	snap.ConfirmedAt, p.dirty = p.confirmed, false
	if dirty && p.path != "" {
		snap.Tunnelers = p.named()
		shared, network := p.rules.Keep(ruleset.Shared), p.rules.Keep(ruleset.Network)
		snap.SharedRules, snap.NetworkRules = &shared, &network
	}
	p.mu.Unlock()
	if !dirty || p.path == "" {
		return
	}
	began := time.Now()
	slices.SortFunc(snap.Tunnelers, func(a, b admission) int { return strings.Compare(a.SPIFFEID, b.SPIFFEID) })
	gone := false
	err := atomicfile.Locked(p.cfg.StateDir, func() error { // DropPolicy comes before or after
		if gone = p.gone(); gone {
			return nil
		}
		return snap.save(p.path)
	})
	if gone {
		p.noticeReset()
		return
	}
	p.cfg.Saved(policyFile, err)
	p.saveAfter = time.Now().Add(min(saveShare*time.Since(began), maxSaveWait))
	if err != nil {
		if !p.unsaved {
			p.cfg.Log.Warn("policy not stored: after a restart without a controller all tunnelers are refused", zap.Error(err))
		}
		p.mu.Lock()
		p.dirty = true
		p.mu.Unlock()
	}
	p.unsaved, p.onDisk = err != nil, p.onDisk || err == nil
}
