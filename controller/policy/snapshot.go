package policy

import (
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/tidwall/btree"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
)

// Snapshot is the whole policy at one revision: every live tunneler may open a session at
// every live connector, and reach what the rules of its network allow.
type Snapshot struct {
	Revision   uint64
	IssuedAt   time.Time
	Tunnelers  Members[Tunneler]
	Connectors Members[Connector]
	// SharedRules are those of all networks; see NetworkRules for the others.
	SharedRules Members[ruleset.Rule]
	// Denials are the revocations that members still keep, by Seq.
	Denials []fleet.Denial
	// Revoked are those who were named within the last minute and are no more, by
	// revision, since this program started.
	Revoked []Revocation

	td        spiffeid.TrustDomain
	published uint64 // numbers the snapshots of this program
	networks  *btree.Map[string, Members[ruleset.Rule]]
}

// NetworkRules are the rules of one network, by key; none if it is not there.
func (s *Snapshot) NetworkRules(network string) Members[ruleset.Rule] {
	if s.networks == nil {
		return Members[ruleset.Rule]{}
	}
	rules, _ := s.networks.Get(network)
	return rules
}

// Revocation is one that was revoked at a time and that this revision names no more.
type Revocation struct {
	Revision uint64
	At       time.Time
}

// Newer says whether s was published after o, whatever the clock said.
func (s *Snapshot) Newer(o *Snapshot) bool { return s.published > o.published }

// Changed lists who was added, changed or taken away since an older snapshot. ok is false
// when that is not known, or may be almost everybody.
func (s *Snapshot) Changed(since *Snapshot) (ids []spiffeid.ID, ok bool) {
	if s.Revision <= since.Revision {
		return nil, false
	}
	connectors, ok := s.Connectors.Since(since.Revision, since.Connectors.Digest())
	if !ok {
		return nil, false
	}
	tunnelers, ok := s.Tunnelers.Since(since.Revision, since.Tunnelers.Digest())
	if !ok {
		return nil, false
	}
	ids = make([]spiffeid.ID, 0, len(connectors)+len(tunnelers))
	add := func(kind identity.Kind, names []string) {
		for _, name := range names {
			id, err := identity.Workload{Kind: kind, ID: name}.SPIFFEID(s.td)
			ids, ok = append(ids, id), ok && err == nil
		}
	}
	add(identity.KindConnector, connectors)
	add(identity.KindTunneler, tunnelers)
	return ids, ok
}

// Tunneler is one that may open a session.
type Tunneler struct {
	SPIFFEID spiffeid.ID
	// HostID and SVIDNotBefore: an SVID of another host, or with an earlier notBefore, is
	// of a former holder of the id.
	HostID        identity.HostID
	SVIDNotBefore time.Time
}

// Connector is one that tunnelers may use.
type Connector struct {
	ID        string
	SPIFFEID  spiffeid.ID
	NetworkID string
	Addresses []string
	// HostID and SVIDNotBefore are as a Tunneler's.
	HostID        identity.HostID
	SVIDNotBefore time.Time
}

// Names says whether w is a member that is live.
func (s *Snapshot) Names(w identity.Workload) bool {
	_, _, ok := s.holder(w)
	return ok
}

// Admits says whether a stream of w, authenticated by an SVID of this issue, may stay
// open: w is live, and the SVID that of its present holder.
func (s *Snapshot) Admits(w identity.Workload, svid identity.Issue) bool {
	host, since, ok := s.holder(w)
	return ok && svid.To(host, since)
}

// holder returns the host of a member that is live, and the earliest notBefore of its SVID.
func (s *Snapshot) holder(w identity.Workload) (host identity.HostID, svidNotBefore time.Time, ok bool) {
	switch w.Kind { //nolint:exhaustive // nobody else is a member
	case identity.KindConnector:
		c, ok := s.Connectors.Get(w.ID)
		return c.HostID, c.SVIDNotBefore, ok
	case identity.KindTunneler:
		t, ok := s.Tunnelers.Get(w.ID)
		return t.HostID, t.SVIDNotBefore, ok
	}
	return "", time.Time{}, false
}

func (c Connector) equal(o Connector) bool {
	return c.ID == o.ID && c.SPIFFEID == o.SPIFFEID && c.NetworkID == o.NetworkID && c.HostID == o.HostID && c.SVIDNotBefore.Equal(o.SVIDNotBefore) && slices.Equal(c.Addresses, o.Addresses)
}

func (c Connector) sum() delta.Digest {
	return delta.Connector(c.ID, c.SPIFFEID.String(), string(c.HostID), c.NetworkID, c.SVIDNotBefore.Unix(), c.Addresses)
}

func (t Tunneler) equal(o Tunneler) bool {
	return t.SPIFFEID == o.SPIFFEID && t.HostID == o.HostID && t.SVIDNotBefore.Equal(o.SVIDNotBefore)
}

func (t Tunneler) sum() delta.Digest {
	return delta.Tunneler(t.SPIFFEID.String(), string(t.HostID), t.SVIDNotBefore.Unix())
}
