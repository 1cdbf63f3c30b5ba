package rotation

import (
	"fmt"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Gate is what a phase waits for: how many of the peers and agents are through,
// and who is not.
type Gate struct {
	Total    int
	Through  int
	Holdouts []Holdout
	// Since is when the wait began, Deadline when it ends; zero is never.
	Since, Deadline time.Time

	last    string // name that was checked last
	dropped map[string]bool
}

// Open says that nobody holds the rotation up.
func (g Gate) Open() bool { return len(g.Holdouts) == 0 }

// Holdout is a peer or an agent that holds the rotation up.
type Holdout struct {
	// Name is "connector/<id>", "tunneler/<id>", "controller/<id>" or "agent/<host-id>".
	Name string
	Why  string
}

// Names lists the holdouts without repeating one.
func (g Gate) Names() []string {
	var out []string
	seen := map[string]bool{}
	for _, h := range g.Holdouts {
		if !seen[h.Name] {
			seen[h.Name] = true
			out = append(out, h.Name)
		}
	}
	return out
}

// check counts one and notes why it is not through; "" is through. Links of the
// same peer come one after the other: they count once, and the worst counts.
func (g *Gate) check(r Rotation, name, why string) {
	if g.dropped == nil {
		g.dropped = make(map[string]bool, len(r.Dropped))
		for _, it := range r.Dropped {
			g.dropped[it] = true
		}
	}
	again := name == g.last
	g.last = name
	if !again {
		g.Total++
	}
	if why == "" || g.dropped[name] || again && g.holds(name) {
		g.Through = g.Total - len(g.Holdouts)
		return
	}
	g.Holdouts = append(g.Holdouts, Holdout{name, why})
	g.Through = g.Total - len(g.Holdouts)
}

func (g *Gate) holds(name string) bool {
	return len(g.Holdouts) > 0 && g.Holdouts[len(g.Holdouts)-1].Name == name
}

// participants are everybody who counts at a gate.
type participants struct {
	peers   []presence.Peer
	missing []missing // members that count although they are OFFLINE
	agents  []agent
}

// missing is a member that is OFFLINE and counts.
type missing struct {
	fleet.Member
	why string
}

// agent is a SPIRE agent that counts.
type agent struct {
	fleet.Agent
	name string
	of   string // its members, for people
	// members are those on its host. It counts while one is ONLINE or always is set.
	members []identity.Workload
	always  bool
	through bool // it was not listed, because it has renewed
}

// rule says why a peer or an agent is not through a gate; "" is through. It is the
// same for a look at everybody and for one at a single holdout.
type rule struct {
	peer  func(presence.Peer) string
	agent func(agent) string
}

// examine looks at everybody.
func (u rule) examine(r Rotation, c participants) Gate {
	var g Gate
	for _, p := range c.peers {
		g.check(r, p.String(), via(p, u.peer(p)))
	}
	for _, m := range c.missing {
		g.check(r, m.String(), m.why)
	}
	for _, a := range c.agents {
		why := ""
		if !a.through {
			why = u.agent(a)
		}
		g.check(r, a.name, why)
	}
	return g
}

// mayActivate: everybody has the new authority in its bundle. Who had not would
// refuse every peer with a new SVID from then on.
func mayActivate(id string) rule {
	return rule{peer: func(p presence.Peer) string {
		switch {
		case len(p.Trusts) == 0:
			return "has not reported which authorities it trusts"
		case !slices.Contains(p.Trusts, id):
			return "does not trust the new authority yet"
		}
		return ""
	}}
}

// mayRevoke: nothing rests on the old authority any more, neither a last proof of
// an identity nor an agent, which would have to bootstrap again.
func mayRevoke(r Rotation, id string, agentTTL time.Duration) rule {
	peer := func(p presence.Peer) string {
		switch p.SVID.AuthorityID {
		case "":
			return "has not reported which authority signed its SVID"
		case id:
			return "its SVID is still signed by the old authority"
		}
		return ""
	}
	return rule{peer: peer, agent: func(a agent) string {
		if r.renewed(a.Agent, agentTTL) {
			return ""
		}
		return fmt.Sprintf("the agent%s has not attested under the new authority", a.of)
	}}
}

// mayEnd: nobody has a revoked authority in its bundle any more. Who has accepts
// what that authority signed, whatever SPIRE says.
func mayEnd(revoked []string) rule {
	return rule{peer: func(p presence.Peer) string {
		switch {
		case len(p.Trusts) == 0:
			return "has not reported which authorities it trusts"
		case slices.ContainsFunc(p.Trusts, func(id string) bool { return slices.Contains(revoked, id) }):
			return "still trusts the revoked authority"
		}
		return ""
	}}
}

// renewed says that the agent's SVID was issued after the new authority became
// active: its serial number has changed since, or its age says so. ttl is the
// life of agent SVIDs, zero where it is not known.
//
// An agent that renewed between the activation and the listing that followed it
// has the new authority and cannot show it; it is taken for an old one, which
// costs a wait and never trust.
func (r Rotation) renewed(a fleet.Agent, ttl time.Duration) bool {
	before, known := r.Agents[a.ID.String()]
	issued := a.ExpiresAt.Add(-ttl)
	return !known || before != a.SerialNumber || ttl > 0 && issued.After(r.ActivatedAt.Add(time.Second))
}

func via(p presence.Peer, why string) string {
	if why != "" && p.Via != "" {
		why += ", " + p.Via
	}
	return why
}
