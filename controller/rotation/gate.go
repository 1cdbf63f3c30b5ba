package rotation

import (
	"fmt"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// Gate is what a phase waits for: how many of the peers and agents are through,
// and who is not.
type Gate struct {
	Total    int
	Through  int
	Holdouts []Holdout
	// Since is when the wait began, Deadline when it ends; zero is never.
	Since, Deadline time.Time

	last string // name that was checked last
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
	for _, h := range g.Holdouts {
		if !slices.Contains(out, h.Name) {
			out = append(out, h.Name)
		}
	}
	return out
}

// check counts one and notes why it is not through; "" is through. Links of the
// same peer come one after the other: they count once, and the worst counts.
func (g *Gate) check(r Rotation, name, why string) {
	again := name == g.last
	g.last = name
	if !again {
		g.Total++
	}
	if why == "" || r.dropped(name) || again && g.holds(name) {
		g.Through = g.Total - len(g.Holdouts)
		return
	}
	g.Holdouts = append(g.Holdouts, Holdout{name, why})
	g.Through = g.Total - len(g.Holdouts)
}

func (g *Gate) holds(name string) bool {
	return len(g.Holdouts) > 0 && g.Holdouts[len(g.Holdouts)-1].Name == name
}

// crowd is everybody who counts at a gate.
type crowd struct {
	peers   []fleet.Peer
	missing []Holdout // members that count although they are OFFLINE
	agents  []agent
}

// agent is a SPIRE agent that counts.
type agent struct {
	fleet.Agent
	name string
	of   string // its members, for people
}

// mayActivate: everybody has the new authority in its bundle. Who had not would
// refuse every peer with a new SVID from then on.
func mayActivate(r Rotation, id string, c crowd) Gate {
	var g Gate
	for _, p := range c.peers {
		why := ""
		switch {
		case len(p.Trusts) == 0:
			why = "has not reported which authorities it trusts"
		case !slices.Contains(p.Trusts, id):
			why = "does not trust the new authority yet"
		}
		g.check(r, p.String(), via(p, why))
	}
	for _, m := range c.missing {
		g.check(r, m.Name, m.Why)
	}
	return g
}

// mayRevoke: nothing rests on the old authority any more, neither a last proof of
// an identity nor an agent, which would have to bootstrap again.
func mayRevoke(r Rotation, id string, c crowd, agentTTL time.Duration) Gate {
	var g Gate
	for _, p := range c.peers {
		why := ""
		switch p.SVID.AuthorityID {
		case "":
			why = "has not reported which authority signed its SVID"
		case id:
			why = "its SVID is still signed by the old authority"
		}
		g.check(r, p.String(), via(p, why))
	}
	for _, m := range c.missing {
		g.check(r, m.Name, m.Why)
	}
	for _, a := range c.agents {
		why := ""
		if !r.renewed(a.Agent, agentTTL) {
			why = fmt.Sprintf("the agent%s has not attested under the new authority", a.of)
		}
		g.check(r, a.name, why)
	}
	return g
}

// mayEnd: nobody has a revoked authority in its bundle any more. Who has accepts
// what that authority signed, whatever SPIRE says.
func mayEnd(r Rotation, revoked []string, c crowd) Gate {
	var g Gate
	for _, p := range c.peers {
		why := ""
		switch {
		case len(p.Trusts) == 0:
			why = "has not reported which authorities it trusts"
		case slices.ContainsFunc(p.Trusts, func(id string) bool { return slices.Contains(revoked, id) }):
			why = "still trusts the revoked authority"
		}
		g.check(r, p.String(), via(p, why))
	}
	for _, m := range c.missing {
		g.check(r, m.Name, m.Why)
	}
	return g
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

func via(p fleet.Peer, why string) string {
	if why != "" && p.Via != "" {
		why += ", " + p.Via
	}
	return why
}
