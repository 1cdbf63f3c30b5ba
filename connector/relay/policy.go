package relay

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

type policyConfig struct {
	Self     spiffeid.ID
	StateDir string
	Saved    func(file string, err error)
	MaxAge   time.Duration // of a policy that does not say
	// SaveAgain is how soon what could not be written is tried again.
	SaveAgain time.Duration
	// Retake is called by the keeper when a policy that was refused may be good now.
	Retake func()
	// Reset is called by the keeper when an operator has taken the file of the policy away.
	Reset func()
	// Stopped is why nobody new is admitted; nil if the policy decides.
	Stopped func() error
	// Denies is asked after the policy: it only denies.
	Denies func(id spiffeid.ID, svidNotBefore time.Time) bool
	Log    *zap.Logger
}

// policy is who may open a session, and until when that may be believed without
// hearing from a controller.
//
// Its age counts from the last moment a controller confirmed it (the control
// stream was up), not from the last change: a policy nobody had to change for a
// week is not old. Only our own clock is used, so that a controller's wrong clock
// cannot make a policy immortal or stillborn.
type policy struct {
	cfg  policyConfig
	path string
	wake topic.Hint // the keeper has something to do
	// pulse asks the keeper whether it lives.
	pulse health.Pulse

	mu        sync.RWMutex
	snap      snapshot              // without its tunnelers
	set       *delta.Set[admission] // these
	rules     *ruleset.Set          // what they may reach
	linked    bool
	confirmed time.Time // wall clock: a host that slept has aged
	dirty     bool
	refused   error // why the last policy of a controller was not applied
	astray    error // why its timeline is not followed

	unsaved bool // of the keeper: the last write failed, which was logged
	// saveAfter, of the keeper, is when the next write may begin.
	saveAfter time.Time
	// onDisk, of the keeper, says that the file is there, or was when it was looked at
	// last: if it is gone then, an operator took it away. See noticeReset.
	onDisk bool
}

// newPolicy loads what an earlier run kept. Nothing usable on disk is no error;
// the connector then waits for its controller.
func newPolicy(cfg policyConfig) *policy {
	p := &policy{cfg: cfg, wake: topic.NewHint(), pulse: make(health.Pulse), set: admissions(), rules: ruleset.NewSet(cfg.Self.TrustDomain())}
	if cfg.StateDir == "" {
		return p
	}
	p.path = filepath.Join(cfg.StateDir, policyFile)
	kept, err := loadSnapshot(p.path, cfg.Self)
	switch {
	case err != nil:
		cfg.Log.Warn("stored policy not used", zap.Error(err))
	case kept.Revision > 0:
		p.onDisk = true
		p.set.Restore(kept.Timeline, kept.Revision, kept.Tunnelers)
		p.restoreRules(kept)
		kept.Tunnelers, kept.SharedRules, kept.NetworkRules = nil, nil, nil
		p.snap, p.confirmed = kept, kept.ConfirmedAt
		cfg.Log.Info("stored policy loaded", zap.Uint64("revision", kept.Revision), zap.Time("confirmed_at", kept.ConfirmedAt))
	}
	return p
}

// taken is what a message of the controller did to the policy.
type taken struct {
	// about are those who may not be admitted any more; with everybody it may be anybody.
	about     []spiffeid.ID
	everybody bool
	// changed says that a policy is applied that differs from the one before.
	changed bool
	// applied says that the controller confirms what is applied now.
	applied bool
	// ask the controller for everything.
	ask bool
	// rules are those that came before it, and count now.
	rules ruleset.Taken
}

// stream is called at the begin of each control stream and returns what to send to the
// controller that is here of the tunnelers and of both sets of rules.
func (p *policy) stream() (tunnelers, sharedRules, networkRules *zerotrustv1.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set.Stream()
	p.rules.Stream()
	return position(p.set.Position()), position(p.rules.Position(ruleset.Shared)), position(p.rules.Position(ruleset.Network))
}

func position(at delta.Position) *zerotrustv1.Position {
	return &zerotrustv1.Position{Timeline: at.Timeline, At: at.At, Digest: at.Digest.Bytes()}
}

// take takes a message of the control stream. One that would lead to an older policy is
// refused, unless the applied one has outlived its age; see refuse. An error is of
// a controller that is not one of ours. With the same revision again a
// controller confirms a policy that nobody had to change.
func (p *policy) take(in *zerotrustv1.PolicyUpdate) (t taken, err error) {
	h := in.GetHeader()
	part := delta.Part[admission]{
		Timeline: h.GetTimeline(), From: h.GetFrom(), To: h.GetTo(), Part: h.GetPart(), Parts: h.GetParts(), Digest: h.GetDigest(),
		Removals: in.GetRemovals(), Upserts: p.tunnelers(in.GetUpserts()),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// Of another timeline is only what a statement began, or what comes first.
	if part.From == 0 && part.Part == 1 && (p.remaining() <= 0 || part.Timeline != p.set.Position().Timeline) {
		p.set.Forget()
	}
	before := p.set.Position()
	r, err := p.set.Take(part)
	switch {
	case errors.Is(err, delta.ErrOlder) && p.linked:
		// It confirmed the newer one on this stream: this is a message of before.
		return taken{ask: true}, nil
	case errors.Is(err, delta.ErrOlder):
		p.refuse(part.To)
		return taken{}, nil
	case err != nil:
		return taken{}, fmt.Errorf("policy of the controller: %w", err)
	}
	t.about, t.ask = known(r.Removed), r.Outcome == delta.Ask
	if len(r.Removed) > 0 {
		p.dirty = true
		p.kick()
	}
	if r.Outcome != delta.Applied {
		return t, nil
	}
	t.applied, t.rules = true, p.rules.Commit()
	if t.rules.Changed {
		p.dirty = true
		p.kick()
	}
	next := p.heading(in)
	t.changed = len(r.Removed) > 0 || !p.snap.same(next) || p.set.Position().Digest != before.Digest
	t.everybody = r.Whole
	for _, a := range r.Upserted {
		t.about = append(t.about, known([]string{a.SPIFFEID})...)
	}
	p.snap, p.refused = next, nil
	if t.changed || !p.linked {
		p.linked = true
		p.confirm()
	}
	return t, nil
}

// known are the SPIFFE IDs among keys of the set. Another one never admitted anybody.
func known(keys []string) (ids []spiffeid.ID) {
	for _, key := range keys {
		if id, err := spiffeid.FromString(key); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// heading is what the last part of an update says beside the tunnelers.
func (p *policy) heading(in *zerotrustv1.PolicyUpdate) snapshot {
	issued, ok := wire.Time(in.GetIssuedAt())
	if !ok {
		issued = time.Time{}
	}
	return snapshot{
		Self: p.cfg.Self.String(), Timeline: in.GetHeader().GetTimeline(), Revision: in.GetHeader().GetTo(), IssuedAt: issued,
		ControlAddresses: p.addresses(in.GetControlPlaneAddresses()), MaxAgeSeconds: maxAgeSeconds(in.GetMaxAge()),
	}
}

// maxAgeSeconds is 0 for what is no length of time.
func maxAgeSeconds(d *durationpb.Duration) int64 {
	if d.CheckValid() != nil {
		return 0
	}
	return max(0, int64(d.AsDuration()/time.Second)) // AsDuration saturates
}

// unlinked notes the end of the control stream; from now on the policy ages.
func (p *policy) unlinked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.linked {
		p.linked = false
		p.confirm()
	}
}

// kick wakes the keeper.
func (p *policy) kick() {
	p.wake.Wake()
}

func (p *policy) revision() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.snap.Revision
}

func (p *policy) tunnelerCount() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.set.Len()
}

// learned are the addresses that controllers named.
func (p *policy) learned() controlclient.Learned {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return controlclient.Learned{Addresses: p.snap.ControlAddresses, ConfirmedAt: p.confirmed}
}

// named needs the lock.
func (p *policy) named() []admission {
	out := make([]admission, 0, p.set.Len())
	for _, a := range p.set.All() {
		if !a.void {
			out = append(out, a)
		}
	}
	return out
}

// addresses drops what cannot be dialed.
func (p *policy) addresses(in []string) []string {
	kept, left := wire.Addresses(in)
	if left > 0 {
		p.cfg.Log.Warn("control-plane addresses ignored: expected at most 16 of the form host:port", zap.Int("left_out", left))
	}
	return kept
}
