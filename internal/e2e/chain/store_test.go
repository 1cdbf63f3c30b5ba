package chain_test

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

const gateway = "gw"

func tunneler(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindTunneler, ID: id}
}

// store are the rows of a controller. A change, its revision and its lines in the change
// log come together, as in a transaction.
type store struct {
	*changelogtest.Log
	changelogtest.Rules

	mu        sync.Mutex
	revision  uint64
	timeline  recovery.Timeline
	tunnelers map[string]fleet.Tunneler
	denials   []fleet.Denial
	stones    map[identity.HostID]time.Time // tombstones: when the host was revoked
	fail      error
	// named are the hosts of the tunnelers that each revision names. A restored
	// controller may give a revision again.
	named map[uint64][]map[string]identity.HostID
}

func newStore() *store {
	return &store{Log: &changelogtest.Log{}, tunnelers: map[string]fleet.Tunneler{}, stones: map[identity.HostID]time.Time{}, named: map[uint64][]map[string]identity.HostID{}}
}

// backup is a copy. The history of revisions goes on in it, since the connectors have it.
func (s *store) backup() *store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &store{Log: &changelogtest.Log{}, revision: s.revision, timeline: s.timeline, tunnelers: maps.Clone(s.tunnelers), denials: slices.Clone(s.denials), stones: maps.Clone(s.stones), named: s.named}
}

// begin gives the next revision at the start of a controller, as store.BeginPolicy does.
func (s *store) begin(at time.Time) {
	s.change(func() { s.revision = max(s.revision, uint64(at.UnixMilli())-1) })
}

// change commits what fn does.
func (s *store) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := maps.Clone(s.tunnelers)
	fn()
	s.revision++
	now := map[string]identity.HostID{}
	for id, t := range s.tunnelers {
		if old := before[id]; old.HostID != t.HostID || old.EnrolledAt != t.EnrolledAt || old.RevokedAt != t.RevokedAt {
			s.Add(changelog.Change{Kind: changelog.Tunneler, ID: id, Op: changelog.Changed})
		}
		if t.Live() {
			now[id] = t.HostID
		}
	}
	s.named[s.revision] = append(s.named[s.revision], now)
	s.Add(changelog.Change{Kind: changelog.Policy, ID: strconv.FormatUint(s.revision, 10), Op: changelog.Changed})
}

func (s *store) enroll(id string, host identity.HostID, at time.Time) {
	s.change(func() {
		s.tunnelers[id] = fleet.Tunneler{Member: fleet.Member{Workload: tunneler(id), HostID: host, EnrolledAt: at}}
	})
}

func (s *store) revoke(id string, at time.Time) {
	s.change(func() { s.revokeNow(id, at) })
}

func (s *store) revokeNow(id string, at time.Time) {
	t, ok := s.tunnelers[id]
	if !ok || !t.Live() {
		return
	}
	t.RevokedAt = at
	s.tunnelers[id], s.stones[t.HostID] = t, at
	s.denials = append(s.denials, fleet.Denial{Seq: uint64(len(s.denials) + 1), Workload: tunneler(id), SVIDNotBefore: at.Add(-backdate).Truncate(time.Second)})
}

// carry takes the revocations of the store that this one replaces, as `grpccontroller
// restore` does.
func (s *store) carry(replaced *store) {
	s.change(func() {
		for id, t := range s.tunnelers {
			if at, ok := replaced.stones[t.HostID]; ok {
				s.revokeNow(id, at)
			}
		}
		maps.Copy(s.stones, replaced.stones)
		for _, d := range replaced.denials {
			if !slices.ContainsFunc(s.denials, func(o fleet.Denial) bool {
				return o.Workload == d.Workload && o.SVIDNotBefore.Equal(d.SVIDNotBefore)
			}) {
				d.Seq = uint64(len(s.denials) + 1)
				s.denials = append(s.denials, d)
			}
		}
	})
}

// holder is the host of a live tunneler, empty if there is none.
func (s *store) holder(id string) identity.HostID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tunnelers[id]; t.Live() {
		return t.HostID
	}
	return ""
}

// namedAt says whether a revision names a tunneler on a host.
func (s *store) namedAt(revision uint64, id string, host identity.HostID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.named[revision], func(all map[string]identity.HostID) bool { return all[id] == host })
}

func (s *store) failing(err error) {
	s.mu.Lock()
	s.fail = err
	s.mu.Unlock()
	s.Fail(err)
}

// PolicyRevision implements policy.Store.
func (s *store) PolicyRevision(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision, s.fail
}

// Connectors implements policy.Store.
func (s *store) Connectors(context.Context) ([]fleet.Connector, error) {
	return []fleet.Connector{{Member: fleet.Member{
		Workload: identity.Workload{Kind: identity.KindConnector, ID: gateway}, HostID: mtlstest.HostOf(gateway), EnrolledAt: time.Unix(1, 0),
	}}}, nil
}

// ConnectorsByID implements policy.Store.
func (s *store) ConnectorsByID(context.Context, []string) ([]fleet.Connector, error) { return nil, nil }

// Tunnelers implements policy.Store.
func (s *store) Tunnelers(context.Context) ([]fleet.Tunneler, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.tunnelers)), s.fail
}

// TunnelersByID implements policy.Store.
func (s *store) TunnelersByID(_ context.Context, ids []string) (out []fleet.Tunneler, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if t, ok := s.tunnelers[id]; ok {
			out = append(out, t)
		}
	}
	return out, s.fail
}

// Denials implements policy.Store.
func (s *store) Denials(_ context.Context, after uint64, _ time.Time) ([]fleet.Denial, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.denials[min(after, uint64(len(s.denials))):]), s.fail
}

// AdmitConnector implements control.Admitter: the one connector is always enrolled.
func (s *store) AdmitConnector(context.Context, fleet.Hello, identity.Issue) error { return nil }

// AdmitTunneler implements control.Admitter.
func (s *store) AdmitTunneler(context.Context, fleet.Hello, identity.Issue) error {
	return fleet.ErrRevoked
}

// HelloWanted implements control.Admitter.
func (s *store) HelloWanted(identity.Workload) <-chan struct{} { return nil }
