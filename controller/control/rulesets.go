package control

import (
	"sync"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
)

// rulesOf are the rules of a network, or with shared those of all.
func rulesOf(network string, shared bool) subject[ruleset.Rule, []byte] {
	return subject[ruleset.Rule, []byte]{
		members: func(s *policy.Snapshot) policy.Members[ruleset.Rule] {
			if shared {
				return s.SharedRules
			}
			return s.NetworkRules(network)
		},
		removal: func(_ spiffeid.TrustDomain, key string) (string, error) { return key, nil },
		entry:   func(r ruleset.Rule) []byte { return r.Raw },
		size:    func(raw []byte) int { return len(raw) },
		message: func(h *zerotrustv1.UpdateHeader, c chunk[[]byte], _ *ending) proto.Message {
			return &zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Rules{Rules: &zerotrustv1.RulesUpdate{
				Header: h, Shared: shared, Removals: c.removals, Upserts: c.upserts,
			}}}
		},
	}
}

// rules encodes the updates of both sets for all streams. Its zero value is ready.
type rules struct {
	timeline func() uint64

	mu       sync.Mutex
	shared   *updates[ruleset.Rule, []byte]
	networks map[string]*updates[ruleset.Rule, []byte]
	streams  map[string]int // that follow a network
}

func (r *rules) sharedUpdates() *updates[ruleset.Rule, []byte] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shared == nil {
		r.shared = &updates[ruleset.Rule, []byte]{subject: rulesOf("", true), timeline: r.timeline}
	}
	return r.shared
}

// join returns the updates of a network, which are kept until as many streams leave.
func (r *rules) join(network string) *updates[ruleset.Rule, []byte] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.networks == nil {
		r.networks, r.streams = map[string]*updates[ruleset.Rule, []byte]{}, map[string]int{}
	}
	if r.networks[network] == nil {
		r.networks[network] = &updates[ruleset.Rule, []byte]{subject: rulesOf(network, false), timeline: r.timeline}
	}
	r.streams[network]++
	return r.networks[network]
}

func (r *rules) leave(network string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streams[network]--; r.streams[network] == 0 {
		delete(r.streams, network)
		delete(r.networks, network)
	}
}

// followingRules is a stream that follows the rules of all networks and of its connector's.
type followingRules struct {
	of      *rules
	shared  following[ruleset.Rule, []byte]
	own     following[ruleset.Rule, []byte]
	network string // that own is of, if it has updates
}

func (r *rules) follow(stream grpc.ServerStream, td spiffeid.TrustDomain, shared, network *zerotrustv1.Position) followingRules {
	f := followingRules{of: r}
	f.shared = following[ruleset.Rule, []byte]{updates: r.sharedUpdates(), stream: stream, td: td, quiet: true}
	f.own = following[ruleset.Rule, []byte]{stream: stream, td: td, quiet: true}
	f.shared.begin(shared)
	f.own.begin(network)
	return f
}

// update sends what leads to a snapshot. A connector that is in another network than before
// has another digest than that has, so it is sent everything of it. sent says that something
// was: it counts with the policy that comes behind it.
func (f *followingRules) update(s *policy.Snapshot, connector string) (sent bool, err error) {
	if c, ok := s.Connectors.Get(connector); ok && (f.own.updates == nil || c.NetworkID != f.network) {
		f.leave()
		f.network = c.NetworkID
		f.own.updates = f.of.join(f.network)
	}
	shared, own := f.shared.at, f.own.at
	if err = f.shared.update(s, nil); err == nil && f.own.updates != nil {
		err = f.own.update(s, nil)
	}
	return f.shared.at != shared || f.own.at != own, err
}

// everything has all rules sent.
func (f *followingRules) everything() { f.shared.all, f.own.all = true, true }

// leave ends it.
func (f *followingRules) leave() {
	if f.own.updates != nil {
		f.of.leave(f.network)
		f.own.updates = nil
	}
}
