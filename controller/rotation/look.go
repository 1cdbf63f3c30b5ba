package rotation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const (
	// lookEvery is how often a closed gate is looked at whose holdout reports to nobody that
	// it is through: an agent, or the controller itself.
	lookEvery = 250 * time.Millisecond
	// pollEvery is the same for a member, whose every change wakes Run. It is for one
	// that falls silent, which is no event.
	pollEvery = time.Second
	// lookPause is the shortest time between two looks, whatever changes meanwhile.
	lookPause = 50 * time.Millisecond
	// recountEvery is how often everybody is looked at though somebody still holds the
	// rotation up. A holdout that is revoked is known by the change log.
	recountEvery = 10 * time.Minute
	// agentsALook bounds the agents that a look asks for, one by one.
	agentsALook = 64
)

// holdup is what keeps a gate closed: the holdouts that the last look at everybody
// found. As long as the first of them still holds the rotation up, nobody else needs
// to be looked at. One that is through is dropped; when none is left everybody is
// looked at anew. So a gate opens by a look at everybody and by nothing else.
type holdup struct {
	of      asked
	peers   []identity.Workload
	missing []missing
	agents  []agent
	hurry   bool // the last look has not come to the end of agents
	// until is when it is void: everybody is to be looked at, or the deadline is reached.
	until time.Time
}

// asked is what a gate depends on beside the fleet; if it changes, so may the gate.
type asked struct {
	id      string
	phase   Phase
	since   int64
	options Options
	move    move
	dropped int
}

func ask(r Rotation, mv move) asked {
	return asked{r.ID, r.Phase, r.PhaseSince.UnixNano(), r.Options, mv, len(r.Dropped)}
}

// newHoldup keeps the holdouts of g, which c was examined for.
func (m *Manager) newHoldup(r Rotation, mv move, g Gate, c participants) *holdup {
	h := &holdup{of: ask(r, mv), until: m.cfg.Now().Add(recountEvery)}
	if !g.Deadline.IsZero() && g.Deadline.Before(h.until) {
		h.until = g.Deadline
	}
	if everybody := r.PhaseSince.Add(taintReaches); mv.call == callRevoke && m.cfg.Now().Before(everybody) && everybody.Before(h.until) {
		h.until = everybody // from then on fewer agents count
	}
	holds := make(map[string]bool, len(g.Holdouts))
	for _, it := range g.Holdouts {
		holds[it.Name] = true
	}
	for _, p := range c.peers {
		if n := len(h.peers); holds[p.String()] && (n == 0 || h.peers[n-1] != p.Workload) {
			h.peers = append(h.peers, p.Workload)
		}
	}
	for _, it := range c.missing {
		if holds[it.String()] {
			h.missing = append(h.missing, it)
		}
	}
	for _, a := range c.agents {
		if holds[a.name] {
			h.agents = append(h.agents, a)
		}
	}
	return h
}

// stillClosed says that a holdout of the last look at everybody still holds the
// rotation up. Otherwise everybody has to be looked at.
func (m *Manager) stillClosed(ctx context.Context, r Rotation, mv move, a Authorities) (bool, error) {
	h := m.held
	if h == nil || h.of != ask(r, mv) || !m.cfg.Now().Before(h.until) {
		m.held = nil
		return false, nil
	}
	u := m.rule(r, mv, a)
	h.hurry = false
	for ; len(h.peers) > 0; h.peers = h.peers[1:] {
		if slices.ContainsFunc(m.linksOf(h.peers[0]), func(p presence.Peer) bool { return u.peer(p) != "" }) {
			return true, nil
		}
	}
	for ; len(h.missing) > 0; h.missing = h.missing[1:] {
		it := h.missing[0]
		if len(m.linksOf(it.Workload)) == 0 && m.whyMissing(r, it.Member) != "" {
			return true, nil
		}
	}
	for n := 0; len(h.agents) > 0 && n < agentsALook; n++ {
		holds, err := m.holds(ctx, h.agents[0], u)
		if holds || err != nil {
			return holds, err
		}
		h.agents = h.agents[1:]
	}
	if h.hurry = len(h.agents) > 0; h.hurry { // the others are asked at the next look
		return true, nil
	}
	m.held = nil
	return false, nil
}

// forget drops a holdout that was revoked or deleted, and says whether it was one.
func (h *holdup) forget(c changelog.Change) (was bool) {
	gone := func(w identity.Workload) bool {
		hit := string(w.Kind) == string(c.Kind) && w.ID == c.ID
		was = was || hit
		return hit
	}
	h.peers = slices.DeleteFunc(h.peers, gone)
	h.missing = slices.DeleteFunc(h.missing, func(m missing) bool { return gone(m.Workload) })
	return was
}

func (m *Manager) linksOf(w identity.Workload) []presence.Peer {
	if self := m.cfg.Self(); self.Workload == w {
		return []presence.Peer{self}
	}
	return m.cfg.Online.PeersOf(w)
}

// holds says that the agent still holds the rotation up.
func (m *Manager) holds(ctx context.Context, a agent, u rule) (bool, error) {
	if !a.always && !slices.ContainsFunc(a.members, func(w identity.Workload) bool { return len(m.linksOf(w)) > 0 }) {
		return false, nil
	}
	now, err := m.cfg.Agents.Agent(ctx, a.ID)
	if errors.Is(err, fleet.ErrNotFound) {
		return false, nil
	}
	a.Agent = now
	return err == nil && m.lives(now) && u.agent(a) != "", err
}

// nextLook is when a closed gate is looked at without an event.
func (m *Manager) nextLook() time.Duration {
	if h := m.held; h != nil && h.hurry {
		return lookPause
	}
	if h := m.held; h != nil && len(h.peers) > 0 && h.peers[0] != m.cfg.Self().Workload {
		return pollEvery
	}
	return lookEvery
}
