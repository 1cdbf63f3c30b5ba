package relay

import (
	"errors"
	"net/netip"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Reach decides what tunnelers may reach, by the resources and grants that the controller
// sent. It is safe for concurrent use.
type Reach interface {
	// Decide is asked before a name is looked up or anything is dialed.
	Decide(tunneler spiffeid.ID, t access.Target, now time.Time) access.Decision
	// DecideAddress is asked of each address that an allowed target leads to.
	DecideAddress(tunneler spiffeid.ID, d access.Decision, to netip.AddrPort, now time.Time) access.Decision
	// Names says whether a resource names this very address and port.
	Names(to netip.AddrPort) bool
	// Resource returns what a decision names; ok is false if it is not there any more.
	Resource(id string) (r access.Resource, ok bool)
}

// RecordFlow takes what is to be known of a flow that is over, with a Count of 1. It does not
// block, and keeps the record.
type RecordFlow func(*zerotrustv1.FlowRecord)

// Carrier connects the flows of the tunnelers to their targets.
type Carrier interface {
	flow.Handler
	// Recheck decides all open flows again, and counts those that it ended.
	Recheck() (cut int)
}

// reach is the Reach of a policy.
type reach struct{ *policy }

// Decide implements Reach.
func (r reach) Decide(tunneler spiffeid.ID, t access.Target, now time.Time) access.Decision {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.remaining() <= 0 {
		return access.Decision{Code: access.NoPolicy}
	}
	return r.rules.Decide(tunneler, t, now)
}

// DecideAddress implements Reach.
func (r reach) DecideAddress(tunneler spiffeid.ID, d access.Decision, to netip.AddrPort, now time.Time) access.Decision {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.rules.DecideAddress(tunneler, d, to, now)
}

// Names implements Reach.
func (r reach) Names(to netip.AddrPort) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.rules.Names(to)
}

// Resource implements Reach.
func (r reach) Resource(id string) (access.Resource, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.rules.Resource(id)
}

// restoreRules takes the rules of a policy that was kept. Without them it allows nothing
// until the controller sends them.
func (p *policy) restoreRules(kept snapshot) {
	for scope, rules := range map[ruleset.Scope]*ruleset.Kept{ruleset.Shared: kept.SharedRules, ruleset.Network: kept.NetworkRules} {
		if rules == nil {
			continue
		}
		if err := p.rules.Restore(scope, *rules); err != nil {
			p.cfg.Log.Warn("stored rules not used", zap.Error(err))
			p.rules.Clear()
			return
		}
	}
}

// takeRules takes a message of the control stream. An error is of a controller that is not
// one of ours.
func (p *policy) takeRules(in *zerotrustv1.RulesUpdate) (ruleset.Taken, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if in.GetHeader().GetFrom() == 0 && in.GetHeader().GetPart() == 1 && p.remaining() <= 0 {
		p.rules.Forget()
	}
	t, err := p.rules.Take(in)
	if t.Changed {
		p.dirty = true
		p.kick()
	}
	if errors.Is(err, delta.ErrOlder) {
		// The policy of such a controller is older as well, and is refused with its reason. If
		// it confirmed the newer one on this stream, this is a message of before.
		t.Ask, err = p.linked, nil
	}
	return t, err
}

// takeRules takes a message of rules, which count with the policy that comes behind them. An error
// ends the stream. What would have a policy passed over has rules passed over:
// the policy of the same change says why, and all are asked for when that is over.
func (r *Relay) takeRules(m *zerotrustv1.RulesUpdate) error {
	r.applying.Lock()
	defer r.applying.Unlock()
	if r.timeline.Follows(m.GetHeader().GetTimeline()) != nil || r.witness.ready() != nil || r.witness.shown() != nil {
		return nil
	}
	t, err := r.policy.takeRules(m)
	r.ruled(t) // also if the message is wrong: what it took away is gone
	if err != nil {
		return err
	}
	if t.Ask {
		r.log.Warn("rules do not lead on from the applied ones, all of them are asked for", zap.Uint64("from", m.GetHeader().GetFrom()), zap.Uint64("to", m.GetHeader().GetTo()))
		r.ask()
	}
	return nil
}

// ruled has a change of the rules count for the flows that are open.
func (r *Relay) ruled(t ruleset.Taken) {
	if t.Faults != nil {
		r.log.Warn("rules of the controller are not understood: what they could restrict is refused", zap.Error(t.Faults))
	}
	if !t.Changed || r.carrier == nil {
		return
	}
	if cut := r.carrier.Recheck(); cut > 0 {
		r.log.Info("flows ended by a change of the rules", zap.Int("flows", cut))
	}
}

// denyRules has those count for nothing that were taken away on a stream that has ended, before
// the policy of that change.
func (p *policy) denyRules() ruleset.Taken {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := p.rules.Deny()
	if changed {
		p.dirty = true
		p.kick()
	}
	return ruleset.Taken{Changed: changed}
}
