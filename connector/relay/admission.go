package relay

import (
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// admission is one tunneler that may open a session.
type admission struct {
	SPIFFEID      string    `json:"spiffe_id"`
	SVIDNotBefore time.Time `json:"svid_not_before"`
	HostID        string    `json:"host_id,omitempty"`

	seconds int64 // SVIDNotBefore as it was sent
	// void says that it is no tunneler of the trust domain, or has a time of no calendar.
	// It admits nobody. It is held because the controller counts it in its digest.
	void bool
}

// admissions is the set of them, by SPIFFE ID.
func admissions() *delta.Set[admission] {
	return delta.NewSet(delta.Config[admission]{
		Key:    func(a admission) string { return a.SPIFFEID },
		Digest: func(a admission) delta.Digest { return delta.Tunneler(a.SPIFFEID, a.HostID, a.seconds) },
	})
}

func (a admission) check(td spiffeid.TrustDomain) error {
	id, err := spiffeid.FromString(a.SPIFFEID)
	if err != nil {
		return fmt.Errorf("%q: %w", wire.Clip(a.SPIFFEID, wire.MaxReason), err)
	}
	if a.HostID != "" {
		if _, err := identity.ParseHostID(a.HostID); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return mtls.Kinds(td, identity.KindTunneler)(id)
}

// errNoTime is of an admission from a moment that no calendar has.
var errNoTime = errors.New("svid_not_before is not a time")

// tunnelers reads entries of a policy. Those that are not tunnelers of our trust domain,
// or have a time that policy.json could not hold, are void: whoever is not named is
// refused, and the others keep their policy.
func (p *policy) tunnelers(in []*zerotrustv1.PolicyTunneler) []admission {
	out, void, fault := make([]admission, 0, len(in)), 0, error(nil)
	for _, t := range in {
		earliest, ok := wire.Time(t.GetSvidNotBefore())
		a := admission{SPIFFEID: t.GetSpiffeId(), SVIDNotBefore: earliest.Truncate(time.Second), HostID: t.GetHostId(), seconds: t.GetSvidNotBefore().GetSeconds()}
		err := a.check(p.cfg.Self.TrustDomain())
		if err == nil && !ok {
			err = errNoTime
		}
		if err != nil {
			a.SVIDNotBefore, a.void, fault, void = time.Time{}, true, err, void+1
		}
		out = append(out, a)
	}
	if void > 0 {
		p.cfg.Log.Warn("policy entries that are not tunnelers ignored", zap.Int("left_out", void), zap.NamedError("last", fault))
	}
	return out
}
