package rotation

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Members is what the gates need of the stored fleet.
type Members interface {
	Connectors(ctx context.Context) ([]fleet.Connector, error)
	Tunnelers(ctx context.Context) ([]fleet.Tunneler, error)
	Hosts(ctx context.Context) ([]fleet.Host, error)
}

// Online lists the open links of the members that are ONLINE; presence.Roster is it.
type Online interface {
	Peers() []presence.Peer
	// PeersOf lists those of one member.
	PeersOf(w identity.Workload) []presence.Peer
	// SubscribePeers returns a channel that gets a value after a link has opened or
	// ended, or what is known of one has changed.
	SubscribePeers() (changed <-chan struct{}, unsubscribe func())
}

// Agents lists the attested agents; server.Client is it.
type Agents interface {
	Agents(ctx context.Context) ([]fleet.Agent, error)
	// AgentsUntil lists those whose SVID ends before a time. It costs those only.
	AgentsUntil(ctx context.Context, before time.Time) ([]fleet.Agent, error)
	// Agent returns fleet.ErrNotFound for one that is not attested.
	Agent(ctx context.Context, id spiffeid.ID) (fleet.Agent, error)
}

const (
	// returnLimit is how long the members that were here when the controller
	// stopped are waited for after its start: the longest pause of a connector that
	// reconnects. An empty roster would open every gate.
	returnLimit = 60 * time.Second
	// lastSeenApart is how far apart the stored last-seen times of members can be
	// that were all ONLINE: heartbeats, the pause between two flushes, in which one that
	// enrolls is stored and the others are not, and some patience.
	lastSeenApart = presence.OfflineAfter + presence.FlushEvery + 5*time.Second
)

// participants lists everybody who counts for a move. Agents are listed only where they
// matter: that is a call of SPIRE.
func (m *Manager) participants(ctx context.Context, r Rotation, mv move) (participants, error) {
	c := participants{peers: append(m.cfg.Online.Peers(), m.cfg.Self())}
	members, err := m.members(ctx)
	if err != nil {
		return c, err
	}
	online := map[identity.Workload]bool{}
	for _, p := range c.peers {
		online[p.Workload] = true
	}
	c.missing = m.missing(r, members, online)
	if mv.call == callRevoke {
		c.agents, err = m.agents(ctx, r, members, online)
	}
	return c, err
}

// members are the live ones.
func (m *Manager) members(ctx context.Context) ([]fleet.Member, error) {
	connectors, err := m.cfg.Members.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	tunnelers, err := m.cfg.Members.Tunnelers(ctx)
	if err != nil {
		return nil, err
	}
	var out []fleet.Member
	for _, c := range connectors {
		if c.Live() {
			out = append(out, c.Member)
		}
	}
	for _, t := range tunnelers {
		if t.Live() {
			out = append(out, t.Member)
		}
	}
	return out, nil
}

// missing are the members that are OFFLINE and count.
func (m *Manager) missing(r Rotation, members []fleet.Member, online map[identity.Workload]bool) []missing {
	m.lastAlive(members)
	var out []missing
	for _, it := range members {
		if online[it.Workload] {
			continue
		}
		if why := m.whyMissing(r, it); why != "" {
			out = append(out, missing{it, why})
		}
	}
	return out
}

// whyMissing says why a member that is OFFLINE counts: by policy, or because the
// controller has only just started and the member was here when it stopped. "" is
// that it does not.
func (m *Manager) whyMissing(r Rotation, it fleet.Member) string {
	m.mu.Lock()
	stopped := m.stopped
	m.mu.Unlock()
	started := m.cfg.Now().Sub(m.born) < returnLimit
	switch {
	case started && lastHeartbeat(it).Before(m.born) && stopped.Sub(lastHeartbeat(it)) <= lastSeenApart:
		return "has not connected since the controller started"
	case r.Options.Offline == WaitOffline && !it.LastSeenAt.IsZero(): // who never came has no trust to lose
		return "is OFFLINE"
	default:
		return ""
	}
}

// lastAlive is about when the controller stopped: the newest last-seen time from
// before this start. It is looked up once, for those who are back are seen anew.
func (m *Manager) lastAlive(members []fleet.Member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped.IsZero() {
		for _, it := range members {
			if at := lastHeartbeat(it); at.Before(m.born) && at.After(m.stopped) {
				m.stopped = at
			}
		}
	}
}

// lastHeartbeat is the stored last-seen time. That is some seconds old when the
// controller is killed: who enrolled just before may have been here, unrecorded.
func lastHeartbeat(m fleet.Member) time.Time {
	if m.LastSeenAt.IsZero() {
		return m.EnrolledAt
	}
	return m.LastSeenAt
}

// agents are those that live, as far as can be known: SPIRE does not say when an agent
// last asked. One of our hosts lives while a member on it is ONLINE;
// one that we do not know, in an external SPIRE, until its SVID expires. Just after
// a taint all count: those of hosts without an ONLINE member may learn of it too.
func (m *Manager) agents(ctx context.Context, r Rotation, members []fleet.Member, online map[identity.Workload]bool) ([]agent, error) {
	listed, renewed, err := m.listAgents(ctx, r)
	if err != nil {
		return nil, err
	}
	hosts, err := m.cfg.Members.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	byAgent := make(map[spiffeid.ID]fleet.Host, len(hosts))
	for _, h := range hosts {
		byAgent[h.AgentID] = h
	}
	residents := map[identity.HostID][]identity.Workload{}
	for _, it := range members {
		if it.HostID != "" {
			residents[it.HostID] = append(residents[it.HostID], it.Workload)
		}
	}
	everybody := r.Options.Offline == WaitOffline || m.cfg.Now().Sub(r.PhaseSince) < taintReaches
	counts := func(on []identity.Workload) bool {
		return everybody && len(on) > 0 || slices.ContainsFunc(on, func(w identity.Workload) bool { return online[w] })
	}
	var out []agent
	own := false
	for _, a := range listed {
		own = own || a.ID == m.cfg.OwnAgent
		host, ours := byAgent[a.ID]
		on := residents[host.ID]
		delete(byAgent, a.ID)
		switch {
		case !m.lives(a):
		case a.ID == m.cfg.OwnAgent:
			out = append(out, agent{Agent: a, name: "agent/controller", of: " of this controller", always: true})
		case !ours:
			out = append(out, agent{Agent: a, name: "agent" + strings.TrimPrefix(a.ID.Path(), "/spire/agent"), always: true})
		case counts(on):
			out = append(out, agent{Agent: a, name: "agent/" + string(host.ID), of: " of " + joined(on), members: on})
		}
	}
	if renewed { // whoever was not listed
		if !own && !m.cfg.OwnAgent.IsZero() {
			out = append(out, agent{name: "agent/controller", through: true})
		}
		for id, host := range byAgent {
			if on := residents[host.ID]; !id.IsZero() && host.RevokedAt.IsZero() && counts(on) {
				out = append(out, agent{name: "agent/" + string(host.ID), members: on, through: true})
			}
		}
	}
	return out, nil
}

// listAgents lists all agents, or where the life of their SVIDs is known only those that
// may not have renewed since the activation. renewed says that the others have.
func (m *Manager) listAgents(ctx context.Context, r Rotation) (listed []fleet.Agent, renewed bool, err error) {
	if m.cfg.AgentTTL <= 0 || r.ActivatedAt.IsZero() {
		listed, err = m.cfg.Agents.Agents(ctx)
		return listed, false, err
	}
	// A second more than what renewed asks for: SPIRE stores whole ones.
	listed, err = m.cfg.Agents.AgentsUntil(ctx, r.ActivatedAt.Add(2*time.Second+m.cfg.AgentTTL))
	return listed, true, err
}

// lives says that SPIRE would accept the agent.
func (m *Manager) lives(a fleet.Agent) bool { return !a.Banned && a.ExpiresAt.After(m.cfg.Now()) }

func joined(on []identity.Workload) string {
	names := make([]string, len(on))
	for i, w := range on {
		names[i] = w.String()
	}
	return strings.Join(names, " and ")
}
