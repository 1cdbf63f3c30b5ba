package rotationtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// World is a fleet whose members follow the server as agents make them: its
// bundle at once or when their agents ask, its active authority once theirs is
// tainted. A member that is stuck follows nothing any more.
type World struct {
	now   func() time.Time
	spire *SPIRE

	mu      sync.Mutex
	members []*member
	self    *member       // the controller; not enrolled
	sync    time.Duration // how often agents ask for the bundle; zero is at once
	agents  int           // serial numbers given
	listed  int           // times that all agents were listed

	changed topic.Topic[struct{}]
}

type member struct {
	fleet.Member
	peer   presence.Peer
	agent  fleet.Agent
	signer string // of the agent's SVID
	stuck  bool
	frozen bool
	clings bool
	asked  time.Time // for the bundle, last
	online bool
}

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// NewWorld returns a world without members.
func NewWorld(now func() time.Time, s *SPIRE) *World {
	self := &member{peer: presence.Peer{Workload: identity.Workload{Kind: identity.KindController, ID: "self"}}, online: true}
	return &World{now: now, spire: s, self: self}
}

// SyncEvery makes bundles follow the server only every d, as real agents do.
func (w *World) SyncEvery(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sync = d
}

// Add enrolls a member on a host of its own, ONLINE.
func (w *World) Add(kind identity.Kind, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	host := identity.HostID(fmt.Sprintf("%032x", len(w.members)+1))
	agentID, err := host.AgentID(td)
	if err != nil {
		panic(err)
	}
	it := identity.Workload{Kind: kind, ID: id}
	m := &member{
		Member: fleet.Member{Workload: it, HostID: host, EnrolledAt: w.now(), LastSeenAt: w.now()},
		peer:   presence.Peer{Workload: it}, agent: fleet.Agent{ID: agentID}, online: true,
	}
	w.members = append(w.members, m)
	w.follow(m)
}

// Enroll adds a member that has never been ONLINE.
func (w *World) Enroll(kind identity.Kind, id string) {
	w.Add(kind, id)
	w.change(id, func(m *member) { m.online, m.stuck, m.LastSeenAt = false, true, time.Time{} })
}

// Freeze makes a member trust what the server says and keep its SVID.
func (w *World) Freeze(id string) { w.change(id, func(m *member) { m.frozen = true }) }

// Cling makes a member keep the bundle that it has, or not any more: its agent is
// cut off.
func (w *World) Cling(id string, clings bool) {
	w.change(id, func(m *member) { m.clings = clings })
}

// Stick makes a member follow the server no more, or again.
func (w *World) Stick(id string, stuck bool) { w.change(id, func(m *member) { m.stuck = stuck }) }

// Untrust makes a member trust only the first authority of the bundle.
func (w *World) Untrust(id string) {
	w.change(id, func(m *member) { m.peer.Trusts = m.peer.Trusts[:1] })
}

// Online makes a member ONLINE or OFFLINE.
func (w *World) Online(id string, online bool) {
	w.change(id, func(m *member) { m.online, m.LastSeenAt = online, w.now() })
}

// Remove has a member gone, which notifies nobody.
func (w *World) Remove(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members = slices.DeleteFunc(w.members, func(m *member) bool { return m.ID == id })
}

// StickAgent makes only the agent of a member follow no more.
func (w *World) StickAgent(id string) {
	w.change(id, func(m *member) { m.signer = "stuck" })
}

func (w *World) change(id string, f func(*member)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range append(slices.Clone(w.members), w.self) {
		if m.peer.ID == id {
			f(m)
		}
	}
	w.changed.Wake()
}

// follow needs mu.
func (w *World) follow(m *member) {
	if m.stuck {
		return
	}
	a := w.spire.state()
	usable := func(id string) bool {
		return slices.ContainsFunc(a.Bundle, func(b rotation.Authority) bool { return b.ID == id && !b.Tainted })
	}
	if len(m.peer.Trusts) == 0 || !m.clings && w.now().Sub(m.asked) >= w.sync {
		m.peer.Trusts, m.asked = nil, w.now()
		for _, b := range a.Bundle {
			m.peer.Trusts = append(m.peer.Trusts, b.ID)
		}
	}
	if !usable(m.peer.SVID.AuthorityID) && !m.frozen {
		m.peer.SVID = presence.SVID{AuthorityID: a.Active.ID}
	}
	if m.signer != "stuck" && !usable(m.signer) {
		w.agents++
		m.signer, m.agent.SerialNumber = a.Active.ID, fmt.Sprint(w.agents)
		m.agent.ExpiresAt = w.now().Add(time.Hour)
	}
}

// Peers implements rotation.Online.
func (w *World) Peers() []presence.Peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []presence.Peer
	for _, m := range w.members {
		w.follow(m)
		if m.online { // the roster has it stored
			m.LastSeenAt = w.now()
		}
		if m.online && m.Kind != identity.KindController {
			out = append(out, m.peer)
		}
	}
	return out
}

// PeersOf implements rotation.Online.
func (w *World) PeersOf(it identity.Workload) []presence.Peer {
	return slices.DeleteFunc(w.Peers(), func(p presence.Peer) bool { return p.Workload != it })
}

// SubscribePeers implements rotation.Online. What members do by themselves notifies
// nobody; what a test does to one does.
func (w *World) SubscribePeers() (changed <-chan struct{}, unsubscribe func()) {
	return w.changed.Subscribe()
}

// Agent implements rotation.Agents.
func (w *World) Agent(_ context.Context, id spiffeid.ID) (fleet.Agent, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.attested() {
		if a.ID == id {
			return a, nil
		}
	}
	return fleet.Agent{}, fleet.ErrNotFound
}

// Trusting names who is ONLINE and had one of these in its bundle when it was last
// looked at.
func (w *World) Trusting(ids ...string) (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range append(slices.Clone(w.members), w.self) {
		if m.online && slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(m.peer.Trusts, id) }) {
			names = append(names, m.peer.String())
		}
	}
	return names
}

// Self is the controller; it is always ONLINE.
func (w *World) Self() presence.Peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.follow(w.self)
	return w.self.peer
}

// Listed is how many times all agents were listed.
func (w *World) Listed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.listed
}

// Agents implements rotation.Agents.
func (w *World) Agents(context.Context) ([]fleet.Agent, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listed++
	return w.attested(), nil
}

// attested needs mu.
func (w *World) attested() []fleet.Agent {
	var out []fleet.Agent
	for _, m := range w.members {
		w.follow(m)
		if m.LastSeenAt.IsZero() {
			continue // its host has not attested either
		}
		out = append(out, m.agent)
	}
	return out
}

// AgentsUntil implements rotation.Agents.
func (w *World) AgentsUntil(_ context.Context, before time.Time) ([]fleet.Agent, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(w.attested(), func(a fleet.Agent) bool { return !a.ExpiresAt.Before(before) }), nil
}

// Connectors implements rotation.Members.
func (w *World) Connectors(context.Context) ([]fleet.Connector, error) {
	var out []fleet.Connector
	for _, m := range w.list(identity.KindConnector) {
		out = append(out, fleet.Connector{Member: m})
	}
	return out, nil
}

// Tunnelers implements rotation.Members.
func (w *World) Tunnelers(context.Context) ([]fleet.Tunneler, error) {
	var out []fleet.Tunneler
	for _, m := range w.list(identity.KindTunneler) {
		out = append(out, fleet.Tunneler{Member: m})
	}
	return out, nil
}

func (w *World) list(k identity.Kind) []fleet.Member {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []fleet.Member
	for _, m := range w.members {
		if m.Kind == k {
			out = append(out, m.Member)
		}
	}
	return out
}

// Hosts implements rotation.Members.
func (w *World) Hosts(context.Context) ([]fleet.Host, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []fleet.Host
	for _, m := range w.members {
		out = append(out, fleet.Host{ID: m.HostID, AgentID: m.agent.ID})
	}
	return out, nil
}
