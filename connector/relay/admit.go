package relay

import (
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// caller is what the policy is asked about.
type caller struct {
	id   spiffeid.ID
	svid identity.Issue // of the SVID that opened the connection
}

// admitNew is admit for a session that begins: while the connector is stopped, those that
// there are continue for as long as the policy may be used.
func (p *policy) admitNew(c caller) error {
	if p.cfg.Stopped() != nil {
		return errStopped
	}
	return p.admit(c)
}

// admit is the one place that decides whether a tunneler may have a session; admitNew
// asks it, and refuses all while the connector stops for a reason of its own. An
// SVID of another host, or from before the time the policy names, was issued to a
// former holder of the id: a revoked host that keeps its SVID, or gets one more before
// SPIRE knows of it, must not come back under its successor.
//
// A denial counts whatever the policy says: it may be one that was kept because what
// the controller sends is refused.
func (p *policy) admit(c caller) error {
	if p.cfg.Denies(c.id, c.svid.NotBefore) {
		return errNotNamed
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.remaining() <= 0 {
		return p.missing()
	}
	now, ok := p.set.Get(c.id.String())
	if !ok || now.void || !c.svid.To(identity.HostID(now.HostID), now.SVIDNotBefore) {
		return errNotNamed
	}
	return nil
}

// usable says whether sessions can be admitted.
func (p *policy) usable() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.remaining() > 0 {
		return nil
	}
	if p.snap.Revision == 0 {
		return errNoPolicy
	}
	return fmt.Errorf("%w: revision %d was last confirmed at %s and may be used for %s", errPolicyOld, p.snap.Revision,
		p.confirmed.UTC().Format(time.RFC3339), p.maxAge())
}

// missing needs the lock.
func (p *policy) missing() error {
	if p.snap.Revision == 0 {
		return errNoPolicy
	}
	return errPolicyOld
}

// maxAge needs the lock.
func (p *policy) maxAge() time.Duration {
	if p.snap.MaxAgeSeconds > 0 {
		return time.Duration(p.snap.MaxAgeSeconds) * time.Second
	}
	return p.cfg.MaxAge
}

// remaining needs the lock. A confirmation from the future (the clock was set
// back) counts as none.
func (p *policy) remaining() time.Duration {
	switch age := time.Since(p.confirmed); {
	case p.snap.Revision == 0:
		return 0
	case p.linked:
		return p.maxAge()
	case age < 0:
		return 0
	default:
		return p.maxAge() - age
	}
}
